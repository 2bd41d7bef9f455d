<?php
// Like decode.js, for the decoder of PHP.

function flatten($value, array $path = []): array {
    if (!is_array($value)) {
        return [[...$path, $value]];
    }
    $flat = [];
    foreach ($value as $name => $inner) {
        array_push($flat, ...flatten($inner, [...$path, (string)$name]));
    }
    return $flat;
}

while (($line = fgets(STDIN)) !== false) {
    parse_str(base64_decode($line), $values);
    echo json_encode(['parse_str' => flatten($values)], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}
