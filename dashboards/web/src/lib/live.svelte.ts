import { SvelteMap } from 'svelte/reactivity'
import type { Schemas } from './api'

export type Availability = Schemas['Public']
export type Read = Schemas['Read']
export type Alarm = Schemas['Alarm']
export type Device = Schemas['DeviceState']

const readsKept = 300

/** The service says something every 15 s: without a word for so long, in ms, the stream is taken to be cut. */
const silence = 35_000

/** What is so now, by one stream. Changes are taken in once a frame. */
class Live {
  spaces = new SvelteMap<string, Availability>()
  alarms = new SvelteMap<string, Alarm>()
  devices = new SvelteMap<string, Device>()
  reads = $state.raw<Read[]>([])
  /** Since when the stream is cut; null while it is there. */
  cut = $state<Date | null>(null)
  begun = $state(false)
  /** Called when the stream is there again: the buildings may be others now. */
  returned = () => {}

  #source: EventSource | null = null
  #last = ''
  #wait = 1000
  #retry = 0
  #watch = 0
  #heard = 0
  #queue: (() => void)[] = []
  #frame = 0
  #fresh: Read[] = []

  start() {
    this.stop()
    const source = new EventSource('/v1/stream' + (this.#last ? `?last_event_id=${encodeURIComponent(this.#last)}` : ''))
    this.#source = source
    this.#heard = Date.now()
    clearInterval(this.#watch)
    this.#watch = window.setInterval(() => { if (Date.now() - this.#heard > silence) source.dispatchEvent(new Event('error')) }, 5000)
    source.onopen = () => {
      this.#wait = 1000
      if (this.cut) this.returned()
      this.cut = null
    }
    source.onerror = () => {
      this.cut ??= new Date()
      source.close()
      clearInterval(this.#watch)
      clearTimeout(this.#retry)
      this.#retry = window.setTimeout(() => this.start(), this.#wait)
      this.#wait = Math.min(this.#wait * 2, 30_000)
    }
    let first = true
    const on = <T,>(topic: string, take: (v: T) => void) => source.addEventListener(topic, (e) => {
      // A whole answer (its first events have no id) stands for all that was known: what it does not name is over.
      if (first && !e.lastEventId) this.#later(() => { this.spaces.clear(); this.alarms.clear(); this.devices.clear() })
      first = false
      if (e.lastEventId) this.#last = e.lastEventId
      const v = JSON.parse(e.data) as T
      this.#heard = Date.now()
      this.#later(() => take(v))
    })
    source.addEventListener('beat', () => (this.#heard = Date.now()))
    on<Availability>('availability', (v) => this.spaces.set(v.space, v))
    on<Alarm>('alarms', (v) => (v.cleared_at ? this.alarms.delete(v.id) : this.alarms.set(v.id, v)))
    on<Device>('devices', (v) => this.devices.set(v.id, v))
    on<Read>('reads', (v) => this.#fresh.push(v))
  }
  stop() {
    this.#source?.close()
    this.#source = null
    clearTimeout(this.#retry)
    clearInterval(this.#watch)
  }
  /** Forgets everything: somebody else is signed in. */
  reset() {
    this.stop()
    this.spaces.clear(); this.alarms.clear(); this.devices.clear()
    this.reads = []; this.#last = ''; this.begun = false; this.cut = null
  }
  #later(change: () => void) {
    this.#queue.push(change)
    // A page in the background gets no frames: a timer stands in for them.
    this.#frame ||= document.hidden ? window.setTimeout(this.#flush, 500) : requestAnimationFrame(this.#flush)
  }
  #flush = () => {
    this.#frame = 0
    for (const change of this.#queue.splice(0)) change()
    if (this.#fresh.length) {
      const fresh = new Map(this.#fresh.splice(0).map((r) => [r.id, r]))
      this.reads = [...[...fresh.values()].reverse(), ...this.reads.filter((r) => !fresh.has(r.id))]
        .sort((a, b) => (a.received_at < b.received_at ? 1 : a.received_at > b.received_at ? -1 : 0)).slice(0, readsKept)
    }
    this.begun = true
  }
}

export const live = new Live()
