package answer

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// GRPC answers with trailers only: HTTP 200 and no body, so that net/http ends
// the stream with the headers. A client that should wait is told so twice: RetryInfo is
// for the program, the pushback for the retries of its gRPC library (gRFC A6).
func GRPC(w http.ResponseWriter, code codes.Code, message string) {
	h := w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Cache-Control", "no-store")
	h.Set("Grpc-Status", strconv.Itoa(int(code)))
	h.Set("Grpc-Message", grpcMessage(message))
	if seconds, err := strconv.ParseInt(h.Get("Retry-After"), 10, 64); err == nil {
		wait := time.Duration(seconds) * time.Second
		h.Set("Grpc-Retry-Pushback-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
		h.Set("Grpc-Status-Details-Bin", retryInfo(code, message, wait))
	}
	w.WriteHeader(http.StatusOK)
}

// retryInfo returns the status as google.rpc.Status, which says when to try again.
func retryInfo(code codes.Code, message string, wait time.Duration) string {
	s, err := grpcstatus.New(code, message).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	if err != nil {
		return "" // cannot be: RetryInfo is a message, and no code of a refusal is OK
	}
	b, err := proto.Marshal(s.Proto())
	if err != nil {
		return "" // cannot be: only invalid UTF-8 fails, and a configuration is valid UTF-8
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

// grpcMessage percent-encodes what is not printable ASCII (gRPC over HTTP/2,
// "Status-Message").
func grpcMessage(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
