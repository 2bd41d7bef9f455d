import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SignJWT, UnsecuredJWT, exportJWK, generateKeyPair } from 'jose'

const script = fileURLToPath(new URL('server.js', import.meta.url))
const started = []
let gate, jwksURL, ed, ec, stranger

// Stands in for the gate: signs, and serves a key set.
before(async () => {
  ed = await generateKeyPair('EdDSA', { extractable: true })
  ec = await generateKeyPair('ES256', { extractable: true })
  stranger = await generateKeyPair('EdDSA')
  const jwks = JSON.stringify({
    keys: [
      { ...(await exportJWK(ed.publicKey)), kid: 'ed', alg: 'EdDSA', use: 'sig' },
      { ...(await exportJWK(ec.publicKey)), kid: 'ec', alg: 'ES256', use: 'sig' },
    ],
  })
  gate = createServer((req, res) => res.writeHead(200, { 'Content-Type': 'application/jwk-set+json' }).end(jwks))
  await once(gate.listen(0, '127.0.0.1'), 'listening')
  jwksURL = `http://127.0.0.1:${gate.address().port}/`
})

after(async () => {
  for (const child of started) {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  gate.close()
  gate.closeAllConnections()
})

// Starts the backend and returns its URL.
async function start(...args) {
  const child = spawn(process.execPath, [script, '--listen', '127.0.0.1:0', '--jwks', jwksURL, ...args])
  started.push(child)
  child.log = ''
  child.stderr.on('data', (data) => (child.log += data))
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = /^listening on (.+)$/.exec(line)
    if (ready) return { url: `http://${ready[1]}/v1/a%2Fb?x=1`, child }
  }
  throw new Error(`the backend did not start: ${child.log}`)
}

// Sends a POST with one header per assertion.
async function post(url, ...assertions) {
  const req = request(url, { method: 'POST', agent: false })
  if (assertions.length) req.setHeader('X-Ingest-Identity', assertions)
  req.end()
  const [res] = await once(req, 'response')
  let body = ''
  for await (const chunk of res) body += chunk
  return { status: res.statusCode, body: JSON.parse(body) }
}

const now = () => Math.floor(Date.now() / 1000)

const claims = (changes = {}) => ({
  iss: 'ingest-auth', aud: 'backend', sub: 'acct_1', jti: '1', iat: now(), exp: now() + 60,
  key_id: 'key_1', mode: 'test', res: { project: 'p1' }, ...changes,
})

const sign = (alg, kid, key, payload = claims()) =>
  new SignJWT(payload).setProtectedHeader({ alg, kid, typ: 'JWT' }).sign(key)

const good = (changes) => sign('EdDSA', 'ed', ed.privateKey, claims(changes))

// Signs with the public key as if it were a secret, which a verifier falls for that
// lets the token choose the algorithm.
async function confused(kid, publicKey) {
  const jwk = await exportJWK(publicKey)
  return sign('HS256', kid, jwk.kty === 'OKP' ? Buffer.from(jwk.x, 'base64url') : Buffer.from(JSON.stringify(jwk)))
}

const none = () => {
  const [, payload] = new UnsecuredJWT(claims()).encode().split('.')
  return `${Buffer.from('{"alg":"none","kid":"ed"}').toString('base64url')}.${payload}.`
}

const cases = [
  ['EdDSA', 200, () => good()],
  ['ES256', 200, () => sign('ES256', 'ec', ec.privateKey)],
  ['allowed by a gate that only reports', 200, () => good({ verdict: 'allowed' })],
  ['audience in a list', 200, () => good({ aud: ['other', 'backend'] })],
  ['no header', 401],
  ['empty header', 401, () => ''],
  ['header twice', 401, () => good(), () => good()],
  ['two in one header', 401, async () => `${await good()}, ${await good()}`],
  ['garbage', 401, () => 'a.b.c'],
  ['none', 401, none],
  ['HS256 with the Ed25519 public key', 401, () => confused('ed', ed.publicKey)],
  ['HS256 with the P-256 public key', 401, () => confused('ec', ec.publicKey)],
  ['key of a stranger', 401, () => sign('EdDSA', 'ed', stranger.privateKey)],
  ['ES256 under the kid of the Ed25519 key', 401, () => sign('ES256', 'ed', ec.privateKey)],
  ['changed', 401, async () => (await good()) + 'A'],
  ['other audience', 401, () => good({ aud: 'other' })],
  ['no audience', 401, () => good({ aud: undefined })],
  ['other issuer', 401, () => good({ iss: 'other' })],
  ['no issuer', 401, () => good({ iss: undefined })],
  ['expired', 401, () => good({ exp: now() - 60 })],
  ['no expiry', 401, () => good({ exp: undefined })],
  ['no key', 401, () => good({ key_id: undefined })],
  ['empty key', 401, () => good({ key_id: '' })],
  ['refused by a gate that only reports', 401, () => good({ verdict: 'invalid_key' })],
  ['empty verdict', 401, () => good({ verdict: '' })],
]

test('requests', async (t) => {
  const { url, child } = await start()
  for (const [name, status, ...assertions] of cases) {
    await t.test(name, async () => {
      const got = await post(url, ...(await Promise.all(assertions.map((a) => a()))))
      assert.equal(got.status, status)
      if (status === 401) assert.deepEqual(got.body, { error: 'no valid assertion' })
    })
  }
  child.kill()
  await once(child, 'close') // the log is complete
  assert.match(child.log, /refusing a request/)
  assert.doesNotMatch(child.log, /eyJ/, 'an assertion was logged')
})

test('answer', async () => {
  const { url } = await start()
  assert.deepEqual((await post(url, await good())).body, {
    key_id: 'key_1', account: 'acct_1', mode: 'test', res: { project: 'p1' },
    method: 'POST', path: '/v1/a%2Fb',
  })
})

test('an empty issuer or audience matches nothing', async () => {
  for (const name of ['iss', 'aud']) {
    const { url } = await start(name === 'iss' ? '--issuer' : '--audience', '')
    assert.equal((await post(url, await good())).status, 401)
    assert.equal((await post(url, await good({ [name]: undefined }))).status, 401)
  }
})

test('only allowed algorithms', async () => {
  const { url } = await start('--algorithms', 'EdDSA')
  assert.equal((await post(url, await sign('ES256', 'ec', ec.privateKey))).status, 401)
  assert.equal((await post(url, await good())).status, 200)
})

test('other header, issuer and audience', async () => {
  const { url } = await start('--header', 'x-ingest-IDENTITY', '--issuer', 'gate', '--audience', 'events')
  assert.equal((await post(url, await good({ iss: 'gate', aud: 'events' }))).status, 200)
  assert.equal((await post(url, await good())).status, 401)
})

for (const args of [['--algorithms', 'HS256'], ['--algorithms', 'none'], ['--nonsense']]) {
  test(`does not start with ${args.join(' ')}`, async () => {
    await assert.rejects(start(...args), /the backend did not start/)
  })
}
