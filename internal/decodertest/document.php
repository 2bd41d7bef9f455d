<?php
// Like document.js, for PHP, whose base64_decode skips what is no base64.

while (($line = fgets(STDIN)) !== false) {
    parse_str(base64_decode($line), $values);
    $pairs = [];
    foreach ($values as $name => $value) {
        if ($name === 'data' && is_string($value)) {
            $document = json_decode($value) ?? json_decode(base64_decode(strtr($value, '-_', '+/')));
            $value = $document === null ? '' : json_encode($document);
        }
        $pairs[] = [(string)$name, is_string($value) ? $value : json_encode($value)];
    }
    echo json_encode(['parse_str' => $pairs], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}
