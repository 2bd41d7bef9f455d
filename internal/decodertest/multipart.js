// Reads a multipart body in base64 from every line, after its Content-Type and a line end, and
// writes what decoders of JavaScript make of it: per decoder, a list of names with the value;
// files have 'FILE' before the name. A decoder that fails reads nothing.
import readline from 'node:readline'
import busboy from 'busboy'

function withBusboy (type, body) {
  return new Promise((resolve) => {
    const found = []
    try {
      const parser = busboy({ headers: { 'content-type': type } })
      parser.on('field', (name, value) => found.push([name, value]))
      parser.on('file', (name, stream) => {
        const chunks = []
        stream.on('data', (chunk) => chunks.push(chunk))
        stream.on('error', () => {})
        stream.on('end', () => found.push(['FILE', name, Buffer.concat(chunks).toString()]))
      })
      parser.on('error', () => resolve([]))
      parser.on('close', () => resolve(found))
      parser.end(body)
    } catch {
      resolve([])
    }
  })
}

async function withFetch (type, body) {
  try {
    const form = await new Response(body, { headers: { 'content-type': type } }).formData()
    return await Promise.all([...form].map(async ([name, value]) =>
      typeof value === 'string' ? [name, value] : ['FILE', name, await value.text()]))
  } catch {
    return []
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const raw = Buffer.from(line, 'base64')
  const end = Math.max(raw.indexOf('\n'), 0)
  const [type, body] = [raw.subarray(0, end).toString(), raw.subarray(end + 1)]
  console.log(JSON.stringify({ busboy: await withBusboy(type, body), formData: await withFetch(type, body) }))
}
