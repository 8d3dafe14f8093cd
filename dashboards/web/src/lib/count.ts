import type { Space } from './app.svelte'
import type { Availability } from './live.svelte'

/** What a place or a network comes to now. */
export interface Sum { people: number; unknown: number; coworkingFree: number; coworking: number; roomsFree: number; rooms: number; masked: number }

/** People are the sum of counts, 1 where a space is occupied without one; what lies in another space is not counted again. */
export function sum(spaces: Space[], of: (id: string) => Availability | undefined, begun: boolean): Sum {
  const n: Sum = { people: 0, unknown: 0, coworkingFree: 0, coworking: 0, roomsFree: 0, rooms: 0, masked: 0 }
  for (const s of spaces) {
    const a = of(s.id)
    if (!a && begun) continue // not the reader's to see
    const known = a && (a.count != null || a.occupied != null || a.few)
    if (a?.few) n.masked++ // one or two people, or nobody: such counts are not told to this reader
    if (!known) n.unknown++
    else n.people += a.count ?? (a.occupied ? 1 : 0)
    if (s.kind === 'coworking' && s.capacity) { n.coworking += s.capacity; if (a?.state !== 'closed') n.coworkingFree += a?.free ?? (a?.few ? s.capacity - 2 : 0) }
    if (s.kind === 'meeting-room') { n.rooms++; if (a?.state === 'free') n.roomsFree++ }
  }
  return n
}
