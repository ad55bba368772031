import '@fontsource-variable/inter/wght.css'
import '@fontsource-variable/jetbrains-mono/wght.css'
import '@mantine/core/styles/default-css-variables.css'
import '@mantine/core/styles/UnstyledButton.css'
import '@mantine/core/styles/VisuallyHidden.css'
import '@mantine/core/styles/Paper.css'
import '@mantine/core/styles/Overlay.css'
import '@mantine/core/styles/Popover.css'
import '@mantine/core/styles/Menu.css'
import '@mantine/core/styles/ModalBase.css'
import '@mantine/core/styles/Modal.css'
import './styles/tokens.css'
import './styles/base.css'
import './styles/frame.css'
import './styles/parts.css'
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api/client.ts'
import { Names } from './names/named.tsx'
import { ColourBook } from './parts/colours.tsx'
import { createConsoleRouter, fetchPages } from './router.tsx'

/** What was wrong with the question stays wrong; a server may have been busy. */
function mayHelp(failed: number, error: Error): boolean {
  const asked =
    error instanceof ApiError && (error.patience !== undefined || (error.status >= 400 && error.status < 500))
  return failed < 1 && !asked
}

const queries = new QueryClient({
  defaultOptions: { queries: { staleTime: 2000, retry: mayHelp, retryDelay: 800, refetchOnWindowFocus: false } },
})
const router = createConsoleRouter()
const theme = {
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: "'JetBrains Mono Variable', ui-monospace, monospace",
}

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        colorSchemeManager={localStorageColorSchemeManager({ key: 'vnetscope-scheme' })}
      >
        <QueryClientProvider client={queries}>
          <ColourBook>
            <Names>
              <RouterProvider router={router} />
            </Names>
          </ColourBook>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  )
}

/** Long enough for the first page to have its data. */
const REST_MS = 4000
setTimeout(() => void fetchPages(), REST_MS)
