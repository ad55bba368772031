/** What an exporter said of machines and interfaces: sFlow host structures, interface names, options data. */
export type Sighting =
  | {
      readonly kind: 'machine'
      /** Address of the sFlow agent. */
      readonly agent: string
      readonly subAgent: number
      /** sFlow data source, `class:index`; `2:1` is the host itself, `3:N` a virtual machine. */
      readonly source: string
      readonly hostname?: string
      readonly uuid?: string
      readonly osName?: string
      readonly osRelease?: string
      readonly machineType?: string
      /** From host_adapters. */
      readonly adapters?: readonly { readonly ifIndex: number; readonly macs: readonly number[] }[]
      /** From host_parent: `class:index` of the container; its presence makes this a virtual machine. */
      readonly parent?: string
    }
  | {
      readonly kind: 'interface'
      readonly agent: string
      readonly ifIndex: number
      readonly name?: string
      readonly speed?: number
      /** bit 0 admin up, bit 1 oper up */
      readonly status?: number
    }
