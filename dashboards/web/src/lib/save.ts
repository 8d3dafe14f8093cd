/** Offers a file that the page has made. */
export function save(name: string, blob: Blob): void {
  const a = document.createElement('a')
  a.href = URL.createObjectURL(blob)
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000)
}

/** Fetches a list as a table and offers it. */
export async function saveCsv(name: string, url: string): Promise<void> {
  const res = await fetch(url, { headers: { Accept: 'text/csv' } })
  if (!res.ok) throw new Error(String(res.status))
  save(name, await res.blob())
}

/** Draws a drawing as a picture and offers it. */
export async function savePng(name: string, svg: SVGSVGElement): Promise<void> {
  const box = svg.viewBox.baseVal
  const copy = svg.cloneNode(true) as SVGSVGElement
  const style = getComputedStyle(document.documentElement)
  for (const el of [copy, ...copy.querySelectorAll('*')]) for (const a of ['fill', 'stroke']) {
    const v = el.getAttribute(a)
    if (v?.startsWith('var(')) el.setAttribute(a, style.getPropertyValue(v.slice(4, -1)).trim())
  }
  copy.setAttribute('width', String(box.width * 2)); copy.setAttribute('height', String(box.height * 2))
  const image = new Image()
  image.src = 'data:image/svg+xml;utf8,' + encodeURIComponent(new XMLSerializer().serializeToString(copy))
  await image.decode()
  const canvas = document.createElement('canvas')
  canvas.width = box.width * 2; canvas.height = box.height * 2
  const pen = canvas.getContext('2d')!
  pen.fillStyle = style.getPropertyValue('--paper').trim()
  pen.fillRect(0, 0, canvas.width, canvas.height)
  pen.drawImage(image, 0, 0)
  canvas.toBlob((b) => b && save(name, b))
}
