// Every page and its address. Pages are loaded when they are first gone to.
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  retainSearchParams,
} from '@tanstack/react-router'
import { Shell } from './frame/shell.tsx'
import { Lost, PageFailed } from './pages/lost.tsx'
import { parseSearch, plainSearch, stringifySearch } from './url/search.ts'

const root = createRootRoute({
  component: Shell,
  notFoundComponent: Lost,
  validateSearch: (raw: Record<string, unknown>): Record<string, string> => plainSearch(raw),
  search: { middlewares: [retainSearchParams(['last', 'from', 'to'])] },
})

type Load = () => Promise<Record<string, unknown>>

const PAGES: readonly { readonly path: string; readonly load: Load; readonly name: string }[] = [
  { path: '/', load: () => import('./pages/overview/overview.tsx'), name: 'Overview' },
  { path: '/explore', load: () => import('./pages/explore/explore.tsx'), name: 'Explore' },
  { path: '/conversations', load: () => import('./pages/conversations.tsx'), name: 'Conversations' },
  { path: '/vlans', load: () => import('./pages/vlans.tsx'), name: 'Vlans' },
  { path: '/vlans/$id', load: () => import('./pages/vlan.tsx'), name: 'VlanPage' },
  { path: '/machines', load: () => import('./pages/machines.tsx'), name: 'Machines' },
  { path: '/machines/$name', load: () => import('./pages/machine.tsx'), name: 'MachinePage' },
  { path: '/hosts', load: () => import('./pages/hosts.tsx'), name: 'Hosts' },
  { path: '/hosts/$name', load: () => import('./pages/host.tsx'), name: 'HostPage' },
  { path: '/addresses/$ip', load: () => import('./pages/address.tsx'), name: 'AddressPage' },
  { path: '/exporters', load: () => import('./pages/exporters.tsx'), name: 'Exporters' },
  { path: '/exporters/$address', load: () => import('./pages/exporter.tsx'), name: 'ExporterPage' },
  { path: '/settings', load: () => import('./pages/settings.tsx'), name: 'Settings' },
]

const tree = root.addChildren(
  PAGES.map(({ path, load, name }) =>
    createRoute({
      getParentRoute: () => root,
      path,
      component: lazyRouteComponent(load as never, name as never),
      // The page of another thing begins anew: the figures of the one before would stand under its name.
      remountDeps: ({ params }) => params,
    }),
  ),
)

/** Fetches every page while nothing else is to do: going to one is then instant, even when the server is away. */
export async function fetchPages(): Promise<void> {
  for (const { load } of PAGES) await load().catch(() => undefined)
  await Promise.all([
    import('./chart/echarts.ts'),
    import('./pages/explore/filter-editor.tsx'),
    import('./frame/palette.tsx'),
  ]).catch(() => undefined)
}

export function createConsoleRouter() {
  return createRouter({
    routeTree: tree,
    parseSearch: (text) => parseSearch(text),
    stringifySearch,
    defaultPreload: 'intent',
    defaultPreloadStaleTime: 0,
    defaultErrorComponent: PageFailed,
    scrollRestoration: true,
  })
}
