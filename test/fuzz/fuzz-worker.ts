import { parentPort, workerData } from 'node:worker_threads'
import { fuzz, type FuzzOptions, type Watched } from './fuzz.ts'

const { options, watched } = workerData as { options: FuzzOptions; watched: Watched }
parentPort?.postMessage(await fuzz(options, watched))
