import type { ReactNode } from 'react'

/** Names and values; a value of null is left out. */
export function Facts({ of }: { readonly of: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {of.map(([name, value]) =>
        value === null || value === undefined ? null : (
          <div key={name} style={{ display: 'contents' }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  )
}

/** Values with commas between, or null if there are none. */
export function listed(values: readonly ReactNode[]): ReactNode {
  return values.length === 0
    ? null
    : values.map((value, at) => (
        <span key={at}>
          {at > 0 ? ', ' : ''}
          {value}
        </span>
      ))
}
