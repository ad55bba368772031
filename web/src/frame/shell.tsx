// The frame around every page: rail, top bar, banners.
import { Outlet, useLocation } from '@tanstack/react-router'
import { Suspense, useEffect } from 'react'
import { ClockProvider } from '../time/clock.tsx'
import { Banners } from './banners.tsx'
import { Rail } from './rail.tsx'
import { TopBar } from './top-bar.tsx'

/** `web-7 · vnetscope`: what a tab, a bookmark and the browser's history say. */
function titleOf(path: string): string {
  const parts = path.split('/').filter((part) => part !== '')
  const last = parts.at(-1)
  if (last === undefined) return 'vnetscope'
  const name = parts.length > 1 ? decodeURIComponent(last) : last.charAt(0).toUpperCase() + last.slice(1)
  return `${parts[0] === 'vlans' ? name.replace(/^(?=\d)/, 'VLAN ').replace('Vlans', 'VLANs') : name} · vnetscope`
}

export function Shell() {
  const path = useLocation({ select: (location) => location.pathname })
  useEffect(() => {
    document.title = titleOf(path)
  }, [path])
  return (
    <ClockProvider>
      <a className="skip" href="#page">
        Skip to the page
      </a>
      <div className="frame">
        <Rail />
        <div style={{ minWidth: 0 }}>
          <TopBar />
          <Banners />
          <main className="page" id="page" tabIndex={-1}>
            <Suspense fallback={null}>
              <Outlet />
            </Suspense>
          </main>
        </div>
      </div>
    </ClockProvider>
  )
}
