<?php
// Like cookie.js, for the decoder of PHP, which reads $_COOKIE as a query with another separator.

while (($line = fgets(STDIN)) !== false) {
    parse_str(strtr(base64_decode($line), ['&' => '%26', ';' => '&', '+' => '%2B']), $values);
    $pairs = [];
    foreach ($values as $name => $value) {
        $value = (array)$value;
        array_walk_recursive($value, function ($inner) use (&$pairs, $name) {
            $pairs[] = [(string)$name, $inner];
        });
    }
    echo json_encode(['parse_str' => $pairs], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}
