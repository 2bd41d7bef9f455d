<?php // Answers with the variables that PHP's own server makes of a request.
header('Content-Type: text/plain');
foreach ($_SERVER as $name => $value) {
    if (is_string($value)) {
        echo "$name=$value\n";
    }
}
