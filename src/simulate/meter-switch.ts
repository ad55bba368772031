import type { Millis } from '../base/clock.ts'
import { UserError } from '../base/errors.ts'
import type { EmitDatagram } from '../wire/sflow/encode.ts'
import type { ExportProtocol, SimulatorConfig } from './config.ts'
import type { Host } from './data-center.ts'
import type { SwitchExporter } from './sflow-switch.ts'

export class MeterSwitch implements SwitchExporter {
  readonly takesTrains = true
  constructor(_host: Host, _protocol: Exclude<ExportProtocol, 'sflow'>, _config: SimulatorConfig, _startedAt: Millis, _emit: EmitDatagram) {
    throw new UserError('only sflow for now')
  }
  sample(..._packet: unknown[]): void {}
  tick(_now: Millis, _flush: boolean): void {}
  rateChanged(_rate: number): void {}
}
