// Signs in with an account in real Chromium, at a real OpenID provider:
//
//   TOTEM_BIN=./totem node test/signin.mjs
//
// The provider is on another site (localhost) than the service (127.0.0.1), as a
// city's is: what a browser does with cookies between sites is what it does here.
import { chromium } from 'playwright-core'
import Provider from 'oidc-provider'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const free = () => new Promise((done) => { const s = createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => done(port)) }) })
const [login, http, mqtt] = [await free(), await free(), await free()]
const issuer = `http://localhost:${login}`, base = `http://127.0.0.1:${http}`
const folder = await mkdtemp(join(tmpdir(), 'totem-sign-in-'))
const faults = []
const check = (what, ok) => { console.log(`${ok ? 'ok    ' : 'FAILED'} ${what}`); if (!ok) faults.push(what) }

// Alice manages Metz; Bob is known to the provider and to no rule.
const groups = { alice: ['staff', 'totem-metz'], bob: ['staff'] }
const provider = new Provider(issuer, {
  clients: [{ client_id: 'totem', client_secret: 'of-the-provider', redirect_uris: [`${base}/v1/session/callback`] }],
  claims: { openid: ['sub'], groups: ['groups'] },
  pkce: { required: () => true },
  cookies: { keys: ['a key for tests'] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: groups[id] ?? [] }) }),
})
const atLogin = provider.listen(login, 'localhost')

await writeFile(join(folder, 'sign-in.yaml'), `issuer: ${issuer}
client_id: totem
client_secret: of-the-provider
url: ${base}
name: {fr: Compte de Metz, en: Account of Metz}
scopes: [groups]
rules:
  - {claim: groups, value: totem-metz, role: manager, sites: [metz]}
`)
const service = spawn(process.env.TOTEM_BIN, ['serve', '--data', join(folder, 'data')], {
  env: { ...process.env, TOTEM_HTTP: `127.0.0.1:${http}`, TOTEM_MQTT_LISTEN: `127.0.0.1:${mqtt}`, TOTEM_SIGN_IN: join(folder, 'sign-in.yaml') },
  stdio: ['ignore', 'inherit', 'pipe'],
})
let log = ''
service.stderr.on('data', (d) => { log += d })
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'] })

/** Signs in as somebody, from a view; returns the page where that ends. */
async function signIn(who, view, locale) {
  const context = await browser.newContext({ locale })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  await page.goto(base + view)
  await page.getByRole('link', { name: /Compte de Metz|Account of Metz/ }).waitFor()
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT })
  await page.getByRole('link', { name: locale === 'fr-FR' ? 'Compte de Metz' : 'Account of Metz' }).click()
  await page.locator('input[name=login]').fill(who)
  await page.locator('input[name=password]').fill('any')
  await page.locator('button[type=submit]').click()
  await page.locator('button[type=submit]', { hasText: /continue/i }).click() // the provider asks whether Totem may know
  await page.waitForURL((u) => u.origin === base && u.pathname !== '/v1/session/account')
  return { page, context }
}

try {
  for (let n = 0; ; n++) {
    if (await fetch(base + '/readyz').then((r) => r.ok, () => false)) break
    if (n > 200 || service.exitCode !== null) throw new Error('the service did not start')
    await new Promise((done) => setTimeout(done, 100))
  }
  const { page, context } = await signIn('alice', '/portes', 'fr-FR')
  await page.waitForURL(base + '/portes')
  check('the view that was asked for opens', page.url() === base + '/portes')
  const me = await page.evaluate(() => fetch('/v1/me').then((r) => r.json()))
  check(`she is a manager of Metz: ${JSON.stringify(me)}`, me.role === 'manager' && String(me.sites) === 'metz' && me.id.startsWith('account-'))
  const hours = (Date.parse(me.expires_at) - Date.now()) / 3_600_000
  check(`for eight hours: ${hours.toFixed(2)}`, hours > 7.9 && hours <= 8)
  const cookies = await context.cookies()
  const session = cookies.find((c) => c.name === 'totem_session')
  check('the cookie is Strict and HttpOnly', session?.sameSite === 'Strict' && session.httpOnly)
  check('nothing of the sign-in is left', !cookies.some((c) => c.name === 'totem_sign_in'))
  check('her session writes', (await page.evaluate(() => fetch('/v1/sites/metz/lockdown', { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: '{"active":false,"reason":""}' }).then((r) => r.status))) === 200)
  await page.goto(issuer + '/.well-known/openid-configuration') // another site
  const asked = page.waitForResponse((r) => r.url() === base + '/v1/me')
  await page.evaluate((at) => { location.href = at }, base + '/v1/me')
  check('a link of another site opens nothing of hers', (await asked).status() === 401)
  await context.close()

  const bob = await signIn('bob', '/', 'fr-FR')
  check('without a rule: refused, in his language', (await bob.page.textContent('[role=alert]')).includes('n’a pas accès'))
  check('and not signed in', !(await bob.context.cookies()).some((c) => c.name === 'totem_session'))
  await bob.context.close()

  const admin = (await readFile(join(folder, 'data', 'admin-token'), 'utf8')).trim()
  const verify = await fetch(base + '/v1/audit/verify', { headers: { Authorization: `Bearer ${admin}` } }).then((r) => r.json())
  check('the audit holds', verify.ok)
  check('no account, code or token in the log', !/alice|bob|of-the-provider|code=/.test(log))
} catch (e) {
  faults.push(e.message)
  console.log(e.message, '\n', log)
} finally {
  await browser.close()
  service.kill('SIGTERM')
  await new Promise((done) => service.once('exit', done))
  atLogin.close()
  await rm(folder, { recursive: true, force: true })
}
if (faults.length) { console.log(`${faults.length} faults`); process.exit(1) }
process.exit(0)
