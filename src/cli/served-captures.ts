import { systemClock } from '../base/clock.ts'
import { openPacketSource } from '../capture/packet-source.ts'
import type { CapturesConfig } from '../probe/config.ts'
import { readCaptureKey } from '../recording/capture-secret.ts'
import { createCaptureServer, type CaptureServer } from '../recording/capture-server.ts'
import { version } from './version.ts'

// Captures that a probe or a meter makes for others, where its configuration allows them.

/** What a configuration allows, with the secret read. */
export interface AllowedCaptures {
  readonly config: CapturesConfig
  readonly key: Buffer
}

export interface ServedCaptures {
  /** Serves what is allowed from now on; what was served before ends, unless it is the same. */
  take(allowed: AllowedCaptures | undefined): Promise<void>
  stop(): Promise<void>
}

/** @throws UserError if the secret can't be read */
export function readAllowed(config: CapturesConfig | undefined): AllowedCaptures | undefined {
  return config && { config, key: readCaptureKey(config.secretFile) }
}

export function createServedCaptures(say: (sentence: string) => void): ServedCaptures {
  let server: CaptureServer | undefined
  let current = ''

  /** One after the other: a port is free when those before have ended. */
  let taking: Promise<void> = Promise.resolve()

  function take(allowed: AllowedCaptures | undefined): Promise<void> {
    const next = taking.then(() => takeNow(allowed))
    taking = next.catch(() => undefined)
    return next
  }

  async function takeNow(allowed: AllowedCaptures | undefined): Promise<void> {
    const wanted = allowed ? `${JSON.stringify(allowed.config)} ${allowed.key.toString('hex')}` : ''
    if (wanted === current) return
    current = wanted
    const before = server
    server = undefined
    await before?.stop()
    if (!allowed) return before && say('captures are no longer served')
    const { host, port, devices, most } = allowed.config
    const next = createCaptureServer(
      { host, port, key: allowed.key, devices, most },
      { clock: systemClock, openSource: openPacketSource, program: `vnetscope ${version()}`, say },
    )
    try {
      await next.start()
    } catch (error) {
      current = ''
      throw error
    }
    server = next
    say(`captures are served at ${host.includes(':') ? `[${host}]` : host}:${next.port}, of ${devices.join(', ')}`)
  }

  return { take, stop: () => take(undefined) }
}
