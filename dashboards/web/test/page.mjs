// Goes through the page in real Chromium, against a running demo:
//
//   node test/page.mjs http://127.0.0.1:8080 ADMIN-TOKEN [--all] [--shots DIR]
//
// Each view is opened as each role, in both languages, on a phone and on a
// desk, light and dark (pairs of these, or with --all the whole product), and
// looked at: nothing may be reported on the console, axe must find nothing,
// nothing may be wider than the screen, and the view must show what it is for.
import { chromium } from 'playwright-core'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, mkdir, mkdtemp } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [base, admin, ...options] = process.argv.slice(2)
const whole = options.includes('--all')
const shots = options.includes('--shots') ? options[options.indexOf('--shots') + 1] : ''
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const faults = []
let looked = 0

async function api(method, path, body, token = admin) {
  const res = await fetch(base + path, { method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })
  const text = await res.text()
  if (!res.ok) throw new Error(`${method} ${path}: ${res.status} ${text}`)
  return text && res.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text
}
const token = async (role, more) => (await api('PUT', `/v1/tokens/page-${role}`, { role, ...more })).token
const tenant = (await api('GET', '/v1/leases?limit=1000')).items.find((l) => l.site === 'metz').tenant
const tokens = {
  admin, manager: await token('manager', { sites: ['metz'] }), billing: await token('billing', {}), tenant: await token('tenant', { tenant }), display: await token('display', { sites: ['metz'] }), nobody: '',
}
const building = (await api('GET', '/v1/buildings?site=metz')).items[0].id
// What each view must show, to whom.
const views = [
  ['/', 'network', ['admin', 'manager', 'billing', 'tenant', 'display'], '.totem .cell'], ['/site/metz', 'site', ['admin', 'manager', 'billing', 'tenant', 'display'], '.totem.large button.cell'],
  ['/portes', 'doors', ['admin', 'manager'], 'tbody tr td .ok, tbody tr td .warn'], ['/usage', 'usage', ['admin', 'manager'], 'svg[role=img] > rect'], ['/baux?liste=leases', 'leases', ['admin', 'manager', 'billing'], '.list tbody tr button'],
  ['/facturation', 'billing', ['admin', 'manager', 'billing'], 'tbody tr button'], ['/locataire', 'tenant', ['tenant'], '.sites p'], ['/hall/metz', 'hall', ['display', 'admin'], '.place'], ['/programme', 'programme', ['nobody', 'admin'], 'article'],
  [`/rassemblement/${building}`, 'rollcall', ['admin', 'manager'], 'li label'], ['/regards', 'looks', ['admin'], 'input'], ['/charte', 'charter', ['admin', 'billing'], 'tbody td'], ['/appareils', 'devices', ['admin', 'manager'], 'tbody td'], ['/connexion', 'signin', ['nobody'], 'input[type=password]'],
]
const sizes = { phone: { width: 360, height: 740 }, desk: { width: 1400, height: 900 }, narrow: { width: 320, height: 640 }, wide: { width: 3840, height: 2160 } }
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })

async function open(role, lang, size, scheme, reducedMotion = 'no-preference') {
  const context = await browser.newContext({ locale: lang === 'fr' ? 'fr-FR' : 'en-GB', timezoneId: 'America/New_York', viewport: sizes[size], colorScheme: scheme, reducedMotion })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !/401|ERR_|412|422/.test(m.text())) fault(page, `console: ${m.text()}`) })
  page.on('pageerror', (e) => fault(page, `error: ${e.message}`))
  if (tokens[role]) {
    await page.goto(`${base}/connexion?token=${tokens[role]}`)
    await page.waitForFunction(() => !location.pathname.startsWith('/connexion'))
    if (page.url().includes('token')) fault(page, 'the token stays in the address')
  }
  return page
}
function fault(page, text) { faults.push(`${page.what ?? page.url()}: ${text}`) }

async function look(page, [path, name, , shows], what, shot) {
  page.what = what
  looked++
  try {
    await page.goto(base + path)
    await page.locator(shows).first().waitFor({ state: 'visible' })
    await page.waitForTimeout(150)
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (wide > 1) fault(page, `${wide} px wider than the screen`)
    await page.evaluate(axe)
    const found = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }))
    for (const v of found.violations) fault(page, `axe ${v.id}: ${v.nodes.slice(0, 3).map((n) => n.target.join(' ')).join(', ')} (${v.nodes[0].failureSummary?.split('\n')[1]?.trim()})`)
    if (shot) await page.screenshot({ path: `${shots}/${shot}.png`, fullPage: name !== 'hall' && name !== 'devices' && name !== 'doors' })
  } catch (e) { fault(page, e.message.split('\n')[0]) }
}

if (shots) {
  await mkdir(shots, { recursive: true })
  for (const view of views) {
    const page = await open(view[2][0], 'fr', 'desk', 'light')
    await look(page, view, `${view[1]} shot`, view[1])
    await page.context().close()
  }
  for (const [name, size, scheme] of [['network-phone', 'phone', 'light'], ['network-dark', 'desk', 'dark']]) {
    const page = await open('admin', 'en', size, scheme)
    await look(page, views[0], name, name)
    await page.context().close()
  }
} else {
  // Each role in one browser: pairs change from role to role, or all of them.
  const roles = Object.keys(tokens)
  const all = ['fr', 'en'].flatMap((lang) => Object.keys(sizes).flatMap((size) => ['light', 'dark'].map((scheme) => [lang, size, scheme])))
  const pairs = [['fr', 'desk', 'light'], ['en', 'phone', 'dark'], ['fr', 'phone', 'light'], ['en', 'desk', 'dark'], ['fr', 'narrow', 'dark'], ['en', 'wide', 'light']]
  for (const [i, role] of roles.entries()) {
    for (const [lang, size, scheme] of whole ? all : role === 'admin' ? pairs.slice(0, 2) : [pairs[i % pairs.length]]) {
      const page = await open(role, lang, size, scheme, size === 'phone' ? 'reduce' : 'no-preference')
      for (const view of views) if (view[2].includes(role)) await look(page, view, `${view[1]} as ${role}, ${lang}, ${size}, ${scheme}`)
      // What a role may not see is not shown, and says so where its address is typed.
      if (role === 'tenant' || role === 'display') {
        page.what = `${role} at /portes`
        await page.goto(base + '/portes')
        if (await page.locator('table').count()) fault(page, 'shows a table')
        if (await page.locator('nav a[href="/portes"]').count()) fault(page, 'leads there')
      }
      await page.context().close()
    }
  }
  await journeys()
}

/** A way to the service that can be cut and mended. */
async function relay() {
  const target = new URL(base), sockets = new Set()
  const serve = (port) => new Promise((ready) => {
    const server = createServer((from) => {
      const to = connect(Number(target.port), target.hostname)
      for (const s of [from, to]) { sockets.add(s); s.on('error', () => {}); s.on('close', () => { sockets.delete(s); from.destroy(); to.destroy() }) }
      from.pipe(to); to.pipe(from)
    }).listen(port, '127.0.0.1', () => ready(server))
  })
  let server = await serve(0)
  const port = server.address().port
  return { base: `http://127.0.0.1:${port}`, cut() { server.close(); for (const s of sockets) s.destroy() }, async mend() { server = await serve(port) } }
}

/** An empty service of its own, that can be killed and started again. */
async function service() {
  const data = await mkdtemp(join(tmpdir(), 'totem-page-')), token = 'page-' + randomUUID(), port = 18091
  const env = { ...process.env, TOTEM_DATA: data, TOTEM_HTTP: `127.0.0.1:${port}`, TOTEM_MQTT_LISTEN: '127.0.0.1:11894', TOTEM_ADMIN_TOKEN: token }
  const own = { base: `http://127.0.0.1:${port}`, token, child: undefined,
    async start() {
      own.child = spawn(process.env.TOTEM_BIN ?? 'totem', ['serve'], { env, stdio: 'ignore' })
      for (let i = 0; i < 100; i++) { if (await fetch(own.base + '/healthz').then((r) => r.ok, () => false)) return; await new Promise((r) => setTimeout(r, 200)) }
      throw new Error('the service does not start')
    },
    kill: () => new Promise((done) => { if (own.child.exitCode !== null || own.child.signalCode) return done(); own.child.once('exit', done); own.child.kill('SIGKILL') }),
  }
  await own.start()
  return own
}

/** What people come for, from the page alone. */
async function journeys() {
  const step = async (name, f) => { looked++; const page = await open('admin', 'fr', 'desk', 'light'); page.what = name; try { await f(page) } catch (e) { fault(page, e.message.split('\n')[0]) } await page.context().close() }
  await step('why a badge was refused', async (page) => {
    await page.goto(base + '/portes')
    await page.locator('select').nth(2).selectOption('refused')
    await page.locator('tbody tr .warn').first().waitFor()
    await page.getByRole('button', { name: 'Pourquoi' }).first().click()
    await page.locator('dialog h3').waitFor()
    if (!/Non/.test(await page.locator('dialog').innerText())) fault(page, 'does not say no')
  })
  await step('a space opens beside the plan, and Escape closes it', async (page) => {
    await page.goto(base + '/site/metz')
    await page.locator('button.cell', { hasText: 'Coworking' }).first().focus()
    await page.keyboard.press('Enter')
    await page.locator('aside h2', { hasText: 'Coworking' }).waitFor()
    await page.keyboard.press('Escape')
    await page.locator('aside h2', { hasText: 'Coworking' }).waitFor({ state: 'detached' })
  })
  await step('the stream is cut and comes back', async (page) => {
    const line = await relay()
    await page.goto(line.base)
    await page.locator('.cell').first().waitFor()
    await page.locator('header [role=status].ok').waitFor()
    line.cut()
    await page.locator('header [role=status].warn', { hasText: 'coupé' }).waitFor()
    const people = await page.locator('h1').innerText()
    if (!/\d/.test(people)) fault(page, 'shows nothing of what it knew')
    await line.mend()
    await page.locator('header [role=status].ok').waitFor({ timeout: 60_000 })
    line.cut()
  })
  await step('a door is opened, and its reader confirms', async (page) => {
    await page.goto(base + '/portes')
    await page.getByLabel('Ouvrir une porte').selectOption('metz-entrance')
    await page.getByRole('button', { name: 'Ouvrir', exact: true }).click()
    await page.locator('dialog input').fill('livraison')
    await page.locator('dialog').getByRole('button', { name: 'Confirmer' }).click()
    await page.locator('li', { hasText: 'metz-entrance' }).locator('.ok', { hasText: 'confirmé à' }).first().waitFor()
  })
  await step('the service is killed and started again', async (page) => {
    const own = await service()
    try {
      await page.goto(`${own.base}/connexion?token=${own.token}`)
      await page.locator('header [role=status].ok').waitFor()
      await own.kill()
      await page.locator('header [role=status].warn', { hasText: 'coupé' }).waitFor()
      await own.start()
      await page.locator('header [role=status].ok').waitFor({ timeout: 60_000 })
      await fetch(`${own.base}/v1/sites/metz/lockdown`, { method: 'PUT', headers: { Authorization: `Bearer ${own.token}`, 'Content-Type': 'application/json' }, body: '{"active":true,"reason":"essai"}' })
      await page.goto(own.base + '/portes') // the session holds over the restart
      await page.locator('[role=alert]', { hasText: 'confinement' }).waitFor()
    } finally { await own.kill() }
  })
  await step('two who edit the same', async (page) => {
    const id = `page-test-${Date.now()}`
    await api('PUT', `/v1/tenants/${id}`, { name: 'Avant', site: 'metz', kind: 'company' })
    await page.goto(`${base}/baux?liste=tenants&id=${id}`)
    const name = page.locator('dialog .fields input').first()
    await page.waitForFunction(() => document.querySelector('dialog .fields input')?.value === 'Avant')
    await api('PUT', `/v1/tenants/${id}`, { name: 'Entre-temps', site: 'metz', kind: 'company' })
    await name.fill('Après')
    await page.getByRole('button', { name: 'Enregistrer' }).click()
    await page.locator('dialog [role=alert]', { hasText: 'Quelqu’un' }).waitFor()
    if (await name.inputValue() !== 'Après') fault(page, 'what was typed is lost')
    await page.getByRole('button', { name: 'Reprendre' }).click()
    await page.waitForFunction(() => document.querySelector('dialog .fields input')?.value === 'Entre-temps')
    await api('DELETE', `/v1/tenants/${id}`)
  })
  await step('a visitor’s door for the afternoon', async (page) => {
    const host = (await api('GET', '/v1/members?limit=1000')).items.find((m) => m.staff_sites.includes('metz')).id
    await page.goto(base + '/baux?liste=passes')
    await page.getByRole('button', { name: 'Ajouter' }).click()
    const id = `page-pass-${Date.now()}`
    await page.locator('dialog input').first().fill(id)
    await page.getByLabel('Nom').fill('Une visiteuse')
    const field = page.getByLabel('Hôte')
    if (await field.evaluate((e) => e.tagName) === 'SELECT') await field.selectOption(host); else await field.fill(host)
    await page.getByLabel('Espaces').selectOption('metz-coworking')
    await page.getByLabel('Valable du').fill('2026-12-01T13:00')
    await page.getByLabel('au', { exact: true }).fill('2026-12-01T18:00')
    await page.getByRole('button', { name: 'Enregistrer' }).click()
    await page.locator('dialog img[alt="Code QR"]').waitFor()
    const saved = await api('GET', `/v1/passes/${id}`)
    if (saved.valid_from !== '2026-12-01T12:00:00.000Z') fault(page, `13:00 at the site is saved as ${saved.valid_from}`)
    await api('DELETE', `/v1/passes/${id}`)
  })
  await step('what a tenant will pay, down to a visit', async (page) => {
    await page.goto(base + '/facturation')
    await page.locator('tbody tr button').first().click()
    await page.locator('tbody tr.small button').first().click()
    await page.locator('.sheet h3', { hasText: 'Visites' }).waitFor()
    await page.getByRole('button', { name: 'Relevés' }).click()
    await page.getByRole('button', { name: 'Calculer' }).click()
    await page.locator('tbody td.strong').first().waitFor()
  })
  await step('a rent is mended from the beginning, after what it changes is shown', async (page) => {
    const lease = (await api('GET', '/v1/leases?limit=1000')).items.find((l) => l.rent_cents_month > 0 && l.status === 'active')
    await page.goto(`${base}/baux?liste=leases&id=${lease.id}`)
    const rent = page.getByLabel('Loyer mensuel')
    await page.waitForFunction((cents) => Number([...document.querySelectorAll('dialog label')].find((l) => /Loyer/.test(l.textContent))?.querySelector('input')?.value) === cents / 100, lease.rent_cents_month)
    await rent.fill(String(lease.rent_cents_month / 100 + 1))
    await page.getByLabel('depuis le début').check()
    await page.getByRole('button', { name: 'Qu’est-ce que cela changerait' }).click()
    await page.locator('dialog .sheet [role=status], dialog .sheet b').first().waitFor()
    if ((await api('GET', `/v1/leases/${lease.id}`)).rent_cents_month !== lease.rent_cents_month) fault(page, 'the dry run wrote')
    await page.getByRole('button', { name: 'Enregistrer' }).click()
    await page.locator('dialog [role=status].ok', { hasText: 'Enregistré' }).waitFor()
    const versions = (await api('GET', `/v1/leases/${lease.id}/versions`)).items
    if (versions[0].value.rent_cents_month !== lease.rent_cents_month + 100) fault(page, `the first version is ${JSON.stringify(versions[0])}`)
  })
  await step('a spreadsheet is imported after its dry run', async (page) => {
    const id = `page-import-${Date.now()}`
    await page.goto(base + '/baux?liste=import')
    await page.locator('input[type=file]').setInputFiles({ name: 'tenants.csv', mimeType: 'text/csv', buffer: Buffer.from(`id;name;site;kind\n${id};Le Fil d’Ariane;metz;association\n`) })
    await page.getByRole('button', { name: 'Vérifier' }).click()
    await page.locator('tbody tr', { hasText: id }).locator('.ok', { hasText: 'nouveau' }).waitFor()
    if ((await fetch(`${base}/v1/tenants/${id}`, { headers: { Authorization: `Bearer ${admin}` } })).status !== 404) fault(page, 'the dry run wrote')
    await page.getByRole('button', { name: 'Importer', exact: true }).last().click()
    await page.locator('[role=status].ok', { hasText: 'Enregistré' }).waitFor()
    await api('DELETE', `/v1/tenants/${id}`)
  })
  await step('the rents for the council', async (page) => {
    await page.goto(base + '/facturation')
    await page.getByRole('button', { name: 'Loyers' }).click()
    await page.locator('tbody tr').first().waitFor()
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: 'CSV' }).click()
    if ((await download).suggestedFilename() !== 'loyers.csv') fault(page, 'no CSV')
  })
  await step('search by the / key', async (page) => {
    await page.goto(base + '/')
    await page.locator('.cell').first().waitFor()
    await page.keyboard.press('/')
    await page.locator('dialog input').fill('fablab')
    await page.locator('dialog li a').first().click()
    await page.waitForURL('**/site/**')
  })
}

await browser.close()
for (const f of [...new Set(faults)]) console.log('FAULT', f)
console.log(`${looked} views and journeys looked at, ${new Set(faults).size} faults`)
process.exit(faults.length ? 1 : 0)
