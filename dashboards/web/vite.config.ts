import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// What is built is committed and embedded in the binary: names follow from
// what is in a file, so that the same sources make the same files.
export default defineConfig({
  plugins: [svelte()],
  build: { outDir: 'dist', target: 'es2022', modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  server: { proxy: { '/v1': 'http://127.0.0.1:8080' } },
})
