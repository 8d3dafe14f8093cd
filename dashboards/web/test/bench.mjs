// What the page costs, against a running demo (anonymous devices) on loopback:
//
//   node test/bench.mjs http://127.0.0.1:8080 127.0.0.1:1883 ADMIN-TOKEN [MINUTES]
//
// Figures, never a test: the latency from a sensor's message to the screen,
// memory and script time of the network's page under ten times the demo's
// traffic, and the main thread's work a frame while a long list scrolls.
import { chromium } from 'playwright-core'
import { connect } from 'node:net'
import { randomUUID } from 'node:crypto'

const [base, mqtt, admin, minutes = '2'] = process.argv.slice(2)
const [host, port] = mqtt.split(':')
const text = (s) => { const b = Buffer.from(s); return Buffer.concat([Buffer.from([b.length >> 8, b.length & 255]), b]) }
const packet = (head, body) => { const n = []; let l = body.length; do { n.push((l % 128) | (l > 127 ? 128 : 0)); l = Math.floor(l / 128) } while (l); return Buffer.concat([Buffer.from([head, ...n]), body]) }
const broker = connect(Number(port), host)
broker.write(packet(0x10, Buffer.concat([text('MQTT'), Buffer.from([4, 2, 0, 60]), text('page-bench')])))
await new Promise((ready) => broker.once('data', ready))
let id = 0
const publish = (topic, body) => broker.write(packet(0x32, Buffer.concat([text(topic), Buffer.from([0, (id = (id % 250) + 1)]), Buffer.from(JSON.stringify({ id: randomUUID(), at: new Date().toISOString(), ...body }))])))

const byThread = (events) => events.reduce((by, e) => ((by[`${e.pid}/${e.tid}`] ??= []).push(e), by), {})
/** The page's main thread's work in ms from each of its frames to the next, sorted. */
function perFrame(events) {
  const main = new Set(events.filter((e) => e.name === 'thread_name' && e.args.name === 'CrRendererMain').map((e) => `${e.pid}/${e.tid}`))
  const begins = events.filter((e) => e.name === 'FireAnimationFrame' && main.has(`${e.pid}/${e.tid}`))
  const busiest = Object.entries(byThread(begins)).sort((a, b) => b[1].length - a[1].length)[0]
  const starts = busiest[1].map((e) => e.ts).sort((a, b) => a - b)
  const tasks = events.filter((e) => `${e.pid}/${e.tid}` === busiest[0] && e.ph === 'X' && e.name === 'ThreadControllerImpl::RunTask')
  return starts.slice(0, -1).map((from, i) => tasks.reduce((ms, e) => ms + Math.max(0, Math.min(e.ts + e.dur, starts[i + 1]) - Math.max(e.ts, from)) / 1000, 0)).sort((a, b) => a - b)
}
const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(2)

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'] })
const page = await (await browser.newContext({ locale: 'fr-FR', viewport: { width: 1400, height: 900 } })).newPage()
const cdp = await page.context().newCDPSession(page)
const began = Date.now()
await page.goto(`${base}/connexion?token=${admin}`)
await page.locator('.cell').first().waitFor()
console.log(`signed in and first drawn: ${Date.now() - began} ms`)
const again = Date.now()
await page.goto(base)
await page.locator('.cell').first().waitFor()
console.log(`cold load to first drawn: ${Date.now() - again} ms`)
for (const view of ['/portes', '/usage', '/facturation', '/site/metz']) {
  const from = Date.now()
  await page.locator(`a[href="${view}"]`).first().click()
  await page.waitForFunction((v) => location.pathname === v && document.querySelector('main h1'), view)
  console.log(`${view} shown: ${Date.now() - from} ms`)
  await page.locator('a.brand').click()
  await page.locator('.cell').first().waitFor()
}

await page.goto(base + '/site/metz')
await page.locator('button.cell', { hasText: 'Coworking' }).first().waitFor()
const times = []
for (let i = 0; i < 20; i++) {
  const n = 3 + (i % 7)
  const shown = page.waitForFunction((free) => [...document.querySelectorAll('button.cell')].some((b) => b.title.startsWith('Coworking: ' + free)), String(40 - n), { polling: 'raf' })
  const from = Date.now()
  publish('totem/v1/metz/metz-coworking-count/count', { count: n })
  await Promise.race([shown, new Promise((r) => setTimeout(r, 5000))])
  times.push(Date.now() - from)
  await new Promise((r) => setTimeout(r, 300))
}
times.sort((a, b) => a - b)
console.log(`a change in a room → on the screen: median ${times[10]} ms, slowest ${times[19]} ms`)

await page.goto(base)
await page.locator('.cell').first().waitFor()
await cdp.send('Performance.enable')
const measure = async () => { await cdp.send('HeapProfiler.collectGarbage'); const m = Object.fromEntries((await cdp.send('Performance.getMetrics')).metrics.map((x) => [x.name, x.value])); return { heap: m.JSHeapUsedSize / 1e6, script: m.ScriptDuration, nodes: m.Nodes, at: Date.now() } }
const counters = (await (await fetch(`${base}/v1/devices?limit=1000`, { headers: { Authorization: `Bearer ${admin}` } })).json()).items.filter((d) => d.kind === 'people-counter' && !d.adapter)
let sent = 0
const load = setInterval(() => { const d = counters[sent++ % counters.length]; publish(`totem/v1/${d.site}/${d.id}/count`, { count: sent % 9 }) }, 100)
await new Promise((r) => setTimeout(r, 10_000))
const first = await measure()
for (let i = 0; i < Number(minutes); i++) {
  await new Promise((r) => setTimeout(r, 60_000))
  const m = await measure()
  console.log(`after ${i + 1} min: heap ${m.heap.toFixed(1)} MB (at first ${first.heap.toFixed(1)}), ${m.nodes} nodes (${first.nodes}), script ${((m.script - first.script) / ((m.at - first.at) / 1000) * 100).toFixed(2)} % of the time`)
}
clearInterval(load)

await page.goto(base + '/portes')
await page.locator('tbody tr').nth(15).waitFor()
for (let i = 0; i < 9; i++) await page.getByRole('button', { name: 'Voir plus' }).click().then(() => page.waitForTimeout(150))
let behind = 0
for (let cursor = ''; ;) { // how many the list has behind it
  const at = await (await fetch(`${base}/v1/access/reads?limit=1000${cursor}`, { headers: { Authorization: `Bearer ${admin}` } })).json()
  behind += at.items.length
  if (!at.next) break
  cursor = `&cursor=${encodeURIComponent(at.next)}`
}
await browser.startTracing(page, { categories: ['__metadata', 'toplevel', 'devtools.timeline', 'disabled-by-default-devtools.timeline'] })
const frames = await page.evaluate(() => new Promise((done) => { let n = 0; const list = document.querySelector('.list'); const step = () => { list.scrollBy(0, 60); if (++n < 240) requestAnimationFrame(step); else done(n) }; requestAnimationFrame(step) }))
const work = perFrame(JSON.parse((await browser.stopTracing()).toString()).traceEvents)
console.log(`scrolling the list of reads, ${behind} behind it, ${frames} frames: by trace the main thread works ${at(work, 0.5)} ms a frame, 95 % within ${at(work, 0.95)}, at most ${at(work, 1)}`)
broker.destroy()
await browser.close()
