import createClient from 'openapi-fetch'
import { faultText, said } from './faults'
import type { components, paths } from './schema'

/** What answers hold: every field is there; what may be missing is null. */
type Sure<T> = T extends (infer U)[] ? Sure<U>[] : T extends object ? { [K in keyof T]-?: Sure<Exclude<T[K], undefined>> } : T
export type Schemas = { [K in keyof components['schemas']]: Sure<components['schemas'][K]> }
export type Problem = Schemas['Problem']

/** The API, as its OpenAPI document has it; the session's cookie goes with every request. */
export const api = createClient<paths>({ baseUrl: '' })

/** An answer that is a problem, with what it says of each field. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly problem: Partial<Problem>) {
    super(faultText(problem.detail || problem.title || String(status), problem.errors))
  }
  of(field: string): string | undefined {
    return this.problem.errors?.find((e) => e.field === field)?.message
  }
}

let signedOut: () => void = () => {}
export function onSignedOut(f: () => void): void { signedOut = f }

type Answer<T> = { data?: T; error?: unknown; response: Response }

/** The data of an answer, or its problem thrown. */
export async function got<T>(answer: Promise<Answer<T>>): Promise<T> {
  const a = await answer
  if (a.response.ok) return a.data as T
  if (a.response.status === 401) signedOut()
  throw new ApiError(a.response.status, (a.error ?? {}) as Partial<Problem>)
}

/** Every item of a list, page after page, up to a bound. */
export async function all<T>(path: string, query: Record<string, string> = {}, most = 20_000): Promise<T[]> {
  const items: T[] = []
  for (let cursor: string | null = null; items.length < most;) {
    const q = new URLSearchParams({ ...query, limit: '1000', ...(cursor ? { cursor } : {}) })
    const page: { items: T[]; next: string | null } = await ask('GET', `${path}?${q}`)
    items.push(...page.items)
    cursor = page.next
    if (!cursor) break
  }
  return items
}

/** Asks a path that is made at run time: lists and records of any kind. */
export async function ask<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  return (await askTagged<T>(method, path, body, headers)).data
}

/** The same, with the tag of the state that was answered. */
export async function askTagged<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<{ data: T; etag: string | null }> {
  const response = await fetch(path, {
    method, headers: { ...(body === undefined ? {} : { 'Content-Type': 'application/json' }), Accept: 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  }).catch((e: Error) => { throw new Error(said(e.message)) })
  const data = response.status === 204 ? undefined : await response.json().catch(() => ({}))
  if (response.ok) return { data: data as T, etag: response.headers.get('ETag') }
  if (response.status === 401) signedOut()
  throw new ApiError(response.status, data as Partial<Problem>)
}
