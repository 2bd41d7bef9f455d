package forward_test

// What differs on purpose. Everything else has to be the same.
//
//   - The logger has the name of the directive: onPurposeLogger.
//   - A request that is sent to a second backend after it was sent to a first has its whole body,
//     where reverse_proxy has lost it: TestWholeBody.
//   - Requests on the short way do not count in num_requests of the admin endpoint
//     /reverse_proxy/upstreams.
//   - There are two pools of connections to a backend, one for each way, and idle connections are
//     looked at when they are used again rather than all the time: outcomes, closeAndWait.

// onPurposeLogger stands for the name of the directive's logger.
const onPurposeLogger = "http.handlers.(the directive)"

// pending leaves these differences out, which are not decided yet:
//
//   - the text of errors in logs and {err.message};
//   - the request in the entry "aborting with incomplete response": that of the client rather than
//     that to the backend;
//   - a body of unknown length that has come whole is given a Content-Length rather than chunks;
//   - bytes_read in the access log if a backend refuses connections: the body was read before;
//   - User-Agent if the client's Connection names it: reverse_proxy sends Go-http-client/1.1.
const pending = true

// undecided are the settings with other differences.
var undecided = map[string]string{
	"header_down of the connection": "header_down sets fields of the connection, such as Connection: close",
	"header_down Trailer":           "header_down sets Trailer",
	"header_up User-Agent deleted":  "reverse_proxy sends User-Agent: Go-http-client/1.1",
	"header_up deletes all":         "reverse_proxy sends User-Agent: Go-http-client/1.1",
	"read_timeout":                  "reverse_proxy sends a GET once more if the time is over on a connection that was idle",
}
