// Like decode.js, for the JSON reader of JavaScript and bodies. Members are named as they
// are, elements #0, #1 and so on; what is empty is its own value.
import readline from 'node:readline'

function flatten(value, path) {
  if (value === null || typeof value !== 'object' || Object.keys(value).length === 0) {
    return [[...path, JSON.stringify(value)]]
  }
  return Object.entries(value).flatMap(([name, inner]) => flatten(inner, [...path, Array.isArray(value) ? '#' + name : name]))
}

function decode(raw) {
  try {
    return flatten(JSON.parse(new TextDecoder().decode(raw)), ['text 0'])
  } catch {
    return []
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ 'JSON.parse': decode(Buffer.from(line, 'base64')) }))
}
