// Reads a form in base64 from every line, and writes the JSON document that readers in
// JavaScript find in its field data, plain or in base64: per decoder, a list of names with
// the value, with the document as the value of data.
import querystring from 'node:querystring'
import readline from 'node:readline'
import qs from 'qs'

function document (value) {
  try {
    return JSON.stringify(JSON.parse(value))
  } catch {
    return JSON.stringify(JSON.parse(Buffer.from(value.replaceAll(' ', '+'), 'base64').toString()))
  }
}

function pairs (list) {
  return list.map(([name, value]) => {
    if (name !== 'data') return [name, String(value)]
    try {
      return [name, document(value)]
    } catch {
      return [name, '']
    }
  })
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const text = Buffer.from(line, 'base64').toString()
  console.log(JSON.stringify({
    URLSearchParams: pairs([...new URLSearchParams(text)]),
    querystring: pairs(Object.entries(querystring.parse(text))),
    qs: pairs(Object.entries(qs.parse(text))),
  }))
}
