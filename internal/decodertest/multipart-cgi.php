<?php
// What PHP reads in a multipart body, for multipart.py.

function flatten($value, array $path): array {
    if (!is_array($value)) {
        return [[...$path, (string)$value]];
    }
    $flat = [];
    foreach ($value as $name => $inner) {
        array_push($flat, ...flatten($inner, [...$path, (string)$name]));
    }
    return $flat;
}

$all = flatten($_POST, []);
foreach ($_FILES as $name => $file) {
    $all[] = ['FILE', (string)$name, is_string($file['tmp_name']) && $file['tmp_name'] !== '' ? file_get_contents($file['tmp_name']) : ''];
}
echo json_encode($all, JSON_INVALID_UTF8_SUBSTITUTE);
