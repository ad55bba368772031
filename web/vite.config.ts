import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { compressed } from './compress.ts'

/** Where `npm run dev -w web` finds a running server's API. */
const server = process.env['VNETSCOPE_URL'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react(), compressed(fileURLToPath(new URL('dist', import.meta.url)))],
  build: { target: 'es2022', sourcemap: false, chunkSizeWarningLimit: 900, assetsInlineLimit: 0 },
  server: { proxy: { '/api': server, '/metrics': server } },
})
