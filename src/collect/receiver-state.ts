import { readFile } from 'node:fs/promises'
import { writeJsonFile } from '../base/json-file.ts'
import type { IngestState } from './receiver-messages.ts'

// Templates and sampling rates over a restart: data of exporters that repeat their templates rarely is then read at once.
//
//   {"version": 1, "savedAt": <ms>, "receivers": [{"netflow": …, "sflow": …}, …]}

const VERSION = 1

/** What an earlier run left; nothing if there is no file, and nothing, with the reason, if it can't be read. */
export async function readStates(file: string): Promise<{ states: IngestState[]; error?: unknown }> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? { states: [] } : { states: [], error }
  }
  try {
    const content = JSON.parse(text) as { version?: unknown; receivers?: unknown }
    if (content?.version !== VERSION || !Array.isArray(content.receivers))
      return { states: [], error: 'not a template file of this version' }
    return { states: content.receivers.filter((one) => typeof one === 'object' && one !== null) as IngestState[] }
  } catch (error) {
    return { states: [], error }
  }
}

export async function writeStates(file: string, states: readonly IngestState[], now: number): Promise<void> {
  await writeJsonFile(file, { version: VERSION, savedAt: now, receivers: states })
}
