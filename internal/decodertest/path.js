// Reads the target of a request in base64 from every line, and writes the segments of its path
// as decoders of JavaScript read them: per decoder, one list.
import readline from 'node:readline'

function decoded(segments) {
  try {
    return segments.map(decodeURIComponent)
  } catch {
    return []
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const text = Buffer.from(line, 'base64').toString('latin1')
  const answers = { 'decoded, then split': [] }
  try {
    const path = new URL('http://localhost' + text).pathname
    answers.URL = [decoded(path.slice(1).split('/'))]
    answers['URL, decoded before'] = [(decoded([path])[0] ?? '').slice(1).split('/')]
    answers['URL, empty segments dropped'] = [decoded(path.split('/').filter((segment) => segment !== ''))]
  } catch {}
  const [path] = text.split('?')
  answers['decoded, then split'] = [(decoded([path])[0] ?? '').slice(1).split('/')]
  console.log(JSON.stringify(answers))
}
