// Reads a query or form in base64 from every line, and writes what decoders of
// JavaScript make of it: per decoder, a list of paths that end with the value.
import querystring from 'node:querystring'
import readline from 'node:readline'
import qs from 'qs'

const type = { 'content-type': 'application/x-www-form-urlencoded' }

// flatten turns nested objects and arrays into paths.
function flatten(value, path = []) {
  return value !== null && typeof value === 'object'
    ? Object.entries(value).flatMap(([name, inner]) => flatten(inner, [...path, name]))
    : [[...path, String(value)]]
}

async function decode(raw) {
  const text = new TextDecoder().decode(raw) // drops a byte-order mark, as request.text() does
  const decoded = {
    URLSearchParams: [...new URLSearchParams(text)],
    URL: [...new URL('http://localhost/?' + text).searchParams],
    formData: [...await new Response(raw, { headers: type }).formData()],
    querystring: Object.entries(querystring.parse(text, '&', '=', { maxKeys: 0 }))
      .flatMap(([name, values]) => [values].flat().map((value) => [name, value])),
  }
  for (const ignoreQueryPrefix of [false, true]) {
    decoded[ignoreQueryPrefix ? 'qs, ignoreQueryPrefix' : 'qs'] =
      flatten(qs.parse(text, { ignoreQueryPrefix, parameterLimit: Infinity }))
  }
  return decoded
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await decode(Buffer.from(line, 'base64'))))
}
