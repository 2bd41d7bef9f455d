package forward_test

// What differs on purpose. Everything else has to be the same.
//
//   - The logger has the name of the directive: onPurposeLogger.
//   - A request that is sent to a second backend after it was sent to a first has its whole body,
//     where reverse_proxy has lost it: TestWholeBody.
//   - Requests on the short way do not count in num_requests of the admin endpoint
//     /reverse_proxy/upstreams.
//   - If no backend can be reached, bytes_read in the access log tells that the body was read: the
//     short way reads it before it connects. See comparableEntries.
//   - There are two pools of connections to a backend, one for each way, and idle connections are
//     looked at when they are used again rather than all the time: outcomes, closeAndWait.

// onPurposeLogger stands for the name of the directive's logger.
const onPurposeLogger = "http.handlers.(the directive)"

// differ are the settings that differ on purpose.
var differ = map[string]string{
	"read_timeout": "reverse_proxy sends a GET once more if the time is over on a connection that was idle",
}
