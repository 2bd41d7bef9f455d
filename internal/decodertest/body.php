<?php
// Like body.js, for the JSON reader of PHP.

function flatten($value, array $path): array {
    if (!is_object($value) && !is_array($value) || count((array)$value) === 0) {
        return [[...$path, json_encode($value)]];
    }
    $flat = [];
    foreach ($value as $name => $inner) {
        array_push($flat, ...flatten($inner, [...$path, is_array($value) ? "#$name" : (string)$name]));
    }
    return $flat;
}

while (($line = fgets(STDIN)) !== false) {
    $raw = base64_decode($line);
    $value = json_decode(str_starts_with($raw, "\xef\xbb\xbf") ? substr($raw, 3) : $raw);
    $read = json_last_error() === JSON_ERROR_NONE;
    echo json_encode(['json_decode' => $read ? flatten($value, ['text 0']) : []], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}
