<?php
// Like path.js, for decoders of PHP.

while (($line = fgets(STDIN)) !== false) {
    $path = parse_url('http://localhost' . base64_decode($line), PHP_URL_PATH) ?: '';
    echo json_encode([
        'parse_url' => [array_map('rawurldecode', explode('/', substr($path, 1)))],
        'parse_url, decoded before' => [explode('/', substr(rawurldecode($path), 1))],
        'parse_url, trimmed' => [explode('/', trim(rawurldecode($path), '/'))],
    ], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}
