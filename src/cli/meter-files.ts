import type { DatagramSender } from '../base/datagram-sender.ts'
import { UserError } from '../base/errors.ts'
import { readCaptureFile } from '../capture/capture-file.ts'
import { MirrorReader } from '../capture/mirror.ts'
import type { Meter } from '../meter/meter.ts'
import { finish, newMeter, summary, WINDOW } from './meter-run.ts'
import type { MeterOptions } from './meter-options.ts'

/** Meters capture files, one behind the other, as fast as they are read. */
export async function meterFiles(filter: string, options: MeterOptions, sender: DatagramSender): Promise<void> {
  const began = performance.now()
  let meter: Meter | undefined
  const damaged: string[] = []
  const mirrors = options.unwrap && new MirrorReader(options.unwrap)
  for (const file of options.read) {
    const blocks = readCaptureFile(
      file,
      (code, offset) =>
        damaged.push(
          `${file}: ${code === 'truncated' ? 'ends within a packet' : 'goes on with what is no packet'} at byte ${offset}`,
        ),
      { filter },
    )
    try {
      for await (const block of blocks) {
        mirrors?.unwrap(block)
        if (block.count === 0) continue
        meter ??= newMeter(options, sender, (block.seconds[0] as number) * 1000)
        meter.block(block)
        meter.keepUp(block.count)
        if (sender.flying >= WINDOW) await sender.below(WINDOW / 2)
      }
    } catch (error) {
      if (error instanceof UserError && !error.message.startsWith(file))
        throw new UserError(`${file} can’t be metered: ${error.message}`, { cause: error })
      throw error
    }
  }
  if (meter) await finish(meter, sender)
  for (const line of damaged) process.stderr.write(`vnetscope: ${line}\n`)
  if (!meter) process.stdout.write('no packets\n')
  else {
    const seconds = (performance.now() - began) / 1000
    process.stdout.write(summary({ status: meter.status(), sender, seconds, mirrors: mirrors?.counts }))
  }
}
