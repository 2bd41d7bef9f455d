package forward_test

// What differs on purpose. Everything else has to be the same; docs/reverse-proxy.md has the
// same list for users.

// onPurposeLogger stands for the name of the directive's logger: it is the directive's own name.
const onPurposeLogger = "http.handlers.(the directive)"
