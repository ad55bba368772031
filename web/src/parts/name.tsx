// A value of a dimension by its name, leading to its page where it has one.
import type { KeyValue } from '../../../src/api/contract/query.ts'
import { isUnknown, kindOf, pathOf, valueText } from '../names/dimensions.ts'
import { useExporterNames } from '../names/machine-index.ts'
import { NamedNote } from '../names/named.tsx'
import { useVlanNames } from '../names/vlan-names.ts'
import { Go } from './go.tsx'

/** The name of a VLAN beside its number. */
function VlanNote({ value }: { readonly value: KeyValue | undefined }) {
  const name = useVlanNames().get(Number(value))
  return name === undefined ? null : <span className="dim small beside">{name}</span>
}

function ExporterText({ address }: { readonly address: string }) {
  const name = useExporterNames().get(address)
  return name === undefined ? <span className="mono">{address}</span> : <span title={address}>{name}</span>
}

export function Name({
  of,
  value,
  strong = true,
}: {
  readonly of: string
  readonly value: KeyValue | undefined
  readonly strong?: boolean
}) {
  const text = valueText(of, value)
  const path = pathOf(of, value)
  const mono = kindOf(of) === 'address' ? ' mono' : ''
  if (isUnknown(of, value)) return <span className="dim">{text}</span>
  if (path === undefined)
    return (
      <>
        <span className={strong ? 'strong' : ''}>{text}</span>
        <NamedNote of={of} value={value} />
      </>
    )
  return (
    <>
      <Go to={path} className={(strong ? 'name' : 'link-plain') + mono}>
        {kindOf(of) === 'exporter' ? <ExporterText address={text} /> : text}
      </Go>
      {kindOf(of) === 'vlan' ? <VlanNote value={value} /> : <NamedNote of={of} value={value} />}
    </>
  )
}
