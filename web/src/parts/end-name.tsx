// One end of a conversation: the machine that was named when the flow came, else the machine that has the address now, else the address.
import type { KeyValue } from '../../../src/api/contract/query.ts'
import { useMachineIndex } from '../names/machine-index.ts'
import { Name } from './name.tsx'

export function EndName({
  vm,
  address,
}: {
  readonly vm: KeyValue | undefined
  readonly address: KeyValue | undefined
}) {
  const machine = useMachineIndex().byAddress.get(String(address))
  if (vm) return <Name of="vm" value={vm} />
  if (machine) return <Name of={machine.kind === 'host' ? 'host' : 'vm'} value={machine.name} />
  return <Name of="ip" value={address} strong={false} />
}
