// Bars that stand beside numbers; the numbers say it all, so the bars are hidden from screen readers.

function percent(share: number): string {
  return `${Math.max(0, Math.min(1, Number.isFinite(share) ? share : 0)) * 100}%`
}

export function Bar({ share, colour = 'var(--s0)' }: { readonly share: number; readonly colour?: string }) {
  return (
    <span className="bar" aria-hidden="true">
      {share > 0 ? <i style={{ width: percent(share), background: colour }} /> : null}
    </span>
  )
}

/** Out to the left, in to the right, on one scale. */
export function Mirror({ left, right }: { readonly left: number; readonly right: number }) {
  return (
    <span className="mirror" aria-hidden="true">
      <i style={{ width: percent(left), background: 'var(--s0)' }} />
      <i style={{ width: percent(right), background: 'var(--s1)' }} />
    </span>
  )
}
