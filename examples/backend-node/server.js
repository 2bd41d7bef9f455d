// A service behind an ingest gate. It believes no request that does not carry an
// assertion signed by the gate.
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const { values: flags } = parseArgs({
  options: {
    listen: { type: 'string', default: 'localhost:9000' },
    jwks: { type: 'string', default: 'http://localhost:8080/.well-known/jwks.json' },
    header: { type: 'string', default: 'X-Ingest-Identity' },
    issuer: { type: 'string', default: 'ingest-auth' },
    audience: { type: 'string', default: 'backend' },
    algorithms: { type: 'string', default: 'EdDSA,ES256' },
  },
})
const algorithms = flags.algorithms.split(',')
for (const a of algorithms) {
  if (a !== 'EdDSA' && a !== 'ES256') throw new Error(`algorithm "${a}" is not allowed: use EdDSA or ES256`)
}

// Fetches the key set again every 10 minutes, for which the gate publishes a key
// before it signs, and at once, but not too often, for a key that is not known.
const keys = createRemoteJWKSet(new URL(flags.jwks))

const rules = {
  algorithms, // never let the token choose
  issuer: flags.issuer,
  audience: flags.audience,
  requiredClaims: ['exp'],
  clockTolerance: 5,
}

// Returns what the gate says about the caller, or throws.
async function verify(req) {
  const assertions = req.headersDistinct[flags.header.toLowerCase()] ?? []
  if (assertions.length !== 1) throw new Error(`${assertions.length} ${flags.header} headers, want one`)
  const { payload } = await jwtVerify(assertions[0], keys, rules)
  // A gate that only reports says in its verdict what it would have refused.
  if ((payload.verdict ?? 'allowed') !== 'allowed') throw new Error('the gate would have refused this request')
  if (!payload.key_id) throw new Error('the assertion names no key')
  return payload
}

function reply(res, status, answer) {
  res.writeHead(status, { 'Content-Type': 'application/json' })
  res.end(JSON.stringify(answer) + '\n')
}

async function handle(req, res) {
  let id
  try {
    id = await verify(req)
  } catch (err) {
    console.error('refusing a request:', err.message)
    return reply(res, 401, { error: 'no valid assertion' })
  }
  reply(res, 200, {
    key_id: id.key_id, account: id.sub, mode: id.mode, res: id.res,
    method: req.method, path: req.url.split('?')[0],
  })
}

const colon = flags.listen.lastIndexOf(':')
const host = flags.listen.slice(0, colon).replace(/^\[|\]$/g, '') || undefined
const server = createServer(handle)
server.listen({ host, port: flags.listen.slice(colon + 1) }, () => {
  const { address, family, port } = server.address()
  console.log(`listening on ${family === 'IPv6' ? `[${address}]` : address}:${port}`)
})
