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

const page = <P extends string>(path: P, load: () => Promise<Record<string, unknown>>, name: string) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load as never, name as never) })

const tree = root.addChildren([
  page('/', () => import('./pages/overview/overview.tsx'), 'Overview'),
  page('/explore', () => import('./pages/explore/explore.tsx'), 'Explore'),
  page('/conversations', () => import('./pages/conversations.tsx'), 'Conversations'),
  page('/vlans', () => import('./pages/vlans.tsx'), 'Vlans'),
  page('/vlans/$id', () => import('./pages/vlan.tsx'), 'VlanPage'),
  page('/machines', () => import('./pages/machines.tsx'), 'Machines'),
  page('/machines/$name', () => import('./pages/machine.tsx'), 'MachinePage'),
  page('/hosts', () => import('./pages/hosts.tsx'), 'Hosts'),
  page('/hosts/$name', () => import('./pages/host.tsx'), 'HostPage'),
  page('/addresses/$ip', () => import('./pages/address.tsx'), 'AddressPage'),
  page('/exporters', () => import('./pages/exporters.tsx'), 'Exporters'),
  page('/exporters/$address', () => import('./pages/exporter.tsx'), 'ExporterPage'),
  page('/settings', () => import('./pages/settings.tsx'), 'Settings'),
])

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
