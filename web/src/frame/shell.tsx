// The frame around every page: rail, top bar, banners.
import { Outlet } from '@tanstack/react-router'
import { Suspense } from 'react'
import { ClockProvider } from '../time/clock.tsx'
import { Banners } from './banners.tsx'
import { Rail } from './rail.tsx'
import { TopBar } from './top-bar.tsx'

export function Shell() {
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
