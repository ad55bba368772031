// A value of a dimension by its name, leading to its page where it has one.
import type { KeyValue } from '../../../src/api/contract/query.ts'
import { isUnknown, kindOf, pathOf, valueText } from '../names/dimensions.ts'
import { Go } from './go.tsx'

export function Name({ of, value, strong = true }: { readonly of: string; readonly value: KeyValue | undefined; readonly strong?: boolean }) {
  const text = valueText(of, value)
  const path = pathOf(of, value)
  const mono = kindOf(of) === 'address' || kindOf(of) === 'exporter' ? ' mono' : ''
  if (isUnknown(of, value)) return <span className="dim">{text}</span>
  if (path === undefined) return <span className={strong ? 'strong' : ''}>{text}</span>
  return (
    <Go to={path} className={(strong ? 'name' : 'link-plain') + mono}>
      {text}
    </Go>
  )
}
