import { hierarchy, treemap, treemapSquarify } from 'd3-hierarchy'
import type { Space } from './app.svelte'

/** A space's place on its floor, in per cent of it. */
export interface Cell { space: Space; x: number; y: number; w: number; h: number }
/** One floor of a building: cells, and its height for a width of 1. */
export interface Floor { building: string; floor: number; height: number; cells: Cell[] }

/** How tall a site is drawn for a width of 1. */
export function tallness(spaces: Space[], buildings: string[]): number {
  return buildings.reduce((n, b) => n + floors(spaces, b).reduce((h, f) => h + f.height + 0.01, 0), 0)
}

/** How much taller than wide a square metre is drawn. */
const perWidth = 1800

/**
 * The floors of a building, highest first, each as tall as its area. Cells
 * follow from areas and ids alone: nothing moves because a number changed.
 */
export function floors(spaces: Space[], building: string): Floor[] {
  const levels = new Map<number, Space[]>()
  for (const s of spaces) if (s.building === building) levels.set(s.floor, [...(levels.get(s.floor) ?? []), s])
  return [...levels].sort((a, b) => b[0] - a[0]).map(([floor, own]) => {
    own.sort((a, b) => b.area_m2 - a.area_m2 || (a.id < b.id ? -1 : 1))
    const area = own.reduce((n, s) => n + s.area_m2, 0)
    const height = Math.max(0.12, area / perWidth)
    const root = hierarchy<{ children?: Space[] } | Space>({ children: own }).sum((d) => ('area_m2' in d ? Math.max(d.area_m2, 6) : 0))
    const laid = treemap<{ children?: Space[] } | Space>().tile(treemapSquarify.ratio(1.2)).size([100, 100 * height])(root)
    const cells = (laid.children ?? []).map((c) => ({ space: c.data as Space, x: c.x0, y: c.y0 / height, w: c.x1 - c.x0, h: (c.y1 - c.y0) / height }))
    return { building, floor, height, cells }
  })
}
