// Reads the value of a Cookie header in base64 from every line, and writes what decoders of
// JavaScript make of it: per decoder, a list of names with the value.
import readline from 'node:readline'
import { parse } from 'cookie'

for await (const line of readline.createInterface({ input: process.stdin })) {
  const text = Buffer.from(line, 'base64').toString('latin1')
  console.log(JSON.stringify({ cookie: Object.entries(parse(text)) }))
}
