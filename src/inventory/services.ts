import { nameTable } from './name-table.ts'

export interface Service {
  readonly name: string
  /** What the registry says of it; '' if nothing. */
  readonly describe: string
}

export interface Services {
  /** IANA's name of a port, `443/tcp`; undefined if it has none. */
  serviceOf(portAndProtocol: string): Service | undefined
}

/** The table of services, unpacked when it is first asked. */
export function createServices(): Services {
  let services: Map<string, Service> | undefined

  function read(): Map<string, Service> {
    const map = new Map<string, Service>()
    for (const line of nameTable('services')) {
      const [, name, port, protocols, describe = ''] = /^(\S+) (\d+)((?:\/\w+)+)(?: (.*))?$/.exec(line) as unknown as [
        string,
        string,
        string,
        string,
        string?,
      ]
      // Of several names the first is the one in use.
      for (const protocol of protocols.slice(1).split('/'))
        if (!map.has(`${port}/${protocol}`)) map.set(`${port}/${protocol}`, { name, describe })
    }
    return map
  }

  return { serviceOf: (key) => (services ??= read()).get(key.toLowerCase()) }
}
