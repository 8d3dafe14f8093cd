import { all, ask, onSignedOut, type Schemas } from './api'
import { setZone } from './words.svelte'

export type Space = Schemas['Space'] & { site: string }
export type Site = Schemas['Site']
export type Building = Schemas['Building']
export type Door = Schemas['Door']
export type Me = Schemas['Me']

/** Who is signed in, what stands still, and where in the page one is. */
class App {
  me = $state<Me | null>(null)
  ready = $state(false)
  path = $state(location.pathname)
  sites = $state.raw<Site[]>([])
  buildings = $state.raw<Building[]>([])
  spaces = $state.raw<Space[]>([])
  doors = $state.raw<Door[]>([])
  failed = $state('')
  /** Sites in lockdown, and since when. */
  locked = $state<Record<string, string>>({})

  space = $derived(new Map(this.spaces.map((s) => [s.id, s])))
  door = $derived(new Map(this.doors.map((d) => [d.id, d])))
  site = $derived(new Map(this.sites.map((s) => [s.id, s])))
  building = $derived(new Map(this.buildings.map((b) => [b.id, b])))

  get role() { return this.me?.role ?? '' }
  get operator() { return this.role === 'admin' || this.role === 'manager' }

  async start() {
    try {
      const [response, programme] = await Promise.all([fetch('/v1/me'), ask<Schemas['Programme']>('GET', '/v1/programme')])
      setZone(programme.timezone)
      if (response.ok) {
        this.me = await response.json()
        await this.load()
      }
    } catch (e) { this.failed = String(e) }
    this.ready = true
  }
  async signIn(token: string) {
    this.me = await ask<Me>('POST', '/v1/session', { token })
    await this.load()
  }
  async signOut() {
    await ask('DELETE', '/v1/session').catch(() => {})
    this.me = null; this.locked = {}
  }
  async load() {
    const [sites, buildings, spaces, doors] = await Promise.all([
      all<Site>('/v1/sites'), all<Building>('/v1/buildings'), all<Space>('/v1/spaces'), this.operator ? all<Door>('/v1/doors') : Promise.resolve([]),
    ])
    Object.assign(this, { sites: order(sites), buildings, spaces, doors })
  }
  lookLockdowns() {
    if (!this.operator) return
    for (const s of this.sites) void ask<Schemas['LockdownOut']>('GET', `/v1/sites/${s.id}/lockdown`).then((l) => { if (l.active) this.locked[s.id] = l.since!; else delete this.locked[s.id] }).catch(() => {})
  }
  go(path: string, replace = false) {
    history[replace ? 'replaceState' : 'pushState'](null, '', path)
    this.path = location.pathname
    if (!replace) window.scrollTo(0, 0)
  }
  spaceName(id: string | null | undefined) { return id ? (id === 'outside' ? '' : (this.space.get(id)?.name ?? id)) : '' }
  doorName(id: string) {
    const d = this.door.get(id)
    return d ? this.spaceName(d.to) || id : id
  }
}

/** The network's own order: as in the catalogue's beginnings, Metz, Nancy, Thionville, Épinal, then others. */
function order(sites: Site[]): Site[] {
  const first = ['metz', 'nancy', 'thionville', 'epinal']
  const rank = (s: Site) => (first.indexOf(s.id) + first.length + 1) % (first.length + 1)
  const place = (s: Site) => (first.includes(s.id) ? first.indexOf(s.id) : first.length + rank(s))
  return [...sites].sort((a, b) => place(a) - place(b))
}

export const app = new App()
onSignedOut(() => { app.me = null })
addEventListener('popstate', () => { app.path = location.pathname })
addEventListener('click', (e) => {
  const a = (e.target as Element | null)?.closest?.('a')
  if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || a.target || a.origin !== location.origin || a.hasAttribute('download')) return
  if (!views.some((v) => a.pathname === v || (v !== '/' && a.pathname.startsWith(v + '/')))) return
  e.preventDefault()
  app.go(a.pathname + a.search)
})

/** The addresses that the page answers to. */
export const views = ['/', '/site', '/portes', '/usage', '/baux', '/facturation', '/locataire', '/hall', '/programme', '/rassemblement', '/regards', '/charte', '/appareils', '/connexion']
