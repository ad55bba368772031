import type { ErrorComponentProps } from '@tanstack/react-router'
import { Card } from '../parts/card.tsx'
import { Go } from '../parts/go.tsx'

export function Lost() {
  return (
    <Card title="There is no such page">
      <div className="state">
        <span>The address may be of an older version, or mistyped.</span>
        <Go to="/" className="link">
          To the overview
        </Go>
      </div>
    </Card>
  )
}

export function PageFailed({ error, reset }: ErrorComponentProps) {
  return (
    <Card title="This page failed">
      <div className="state bad-state" role="alert">
        <strong>{String(error instanceof Error ? error.message : error)}</strong>
        <span>
          The rest of the console still works. A newer version of the server may be running than this page is from;
          reloading gets it.
        </span>
        <span className="row">
          <button type="button" className="button small-button" onClick={reset}>
            Try again
          </button>
          <button type="button" className="button small-button" onClick={() => location.reload()}>
            Reload
          </button>
        </span>
      </div>
    </Card>
  )
}
