// What to set on the other side, ready to be copied.

export interface Snippet {
  readonly id: string
  readonly label: string
  readonly note: string
  readonly text: string
}

export interface Ports {
  readonly sflow: number
  readonly netflow: number
  readonly ipfix: number
}

export function snippets(server: string, ports: Ports): Snippet[] {
  const target = (port: number) => `${server.includes(':') && !server.startsWith('[') ? `[${server}]` : server}:${port}`
  return [
    {
      id: 'ovs',
      label: 'Open vSwitch',
      note: 'sFlow from a bridge: one packet in 400 and counters every 20 s. Put your bridge for br0 and the management interface for eth0.',
      text: `ovs-vsctl -- --id=@s create sflow agent=eth0 target=\\"${target(ports.sflow)}\\" \\\n  header=128 sampling=400 polling=20 -- set bridge br0 sflow=@s`,
    },
    {
      id: 'hsflowd',
      label: 'Host sFlow',
      note: 'Linux hosts, KVM and Proxmox: /etc/hsflowd.conf, then systemctl restart hsflowd. Tells the names of machines, too.',
      text: `sflow {\n  polling = 20\n  sampling = 400\n  collector { ip=${server} udpport=${ports.sflow} }\n  pcap { speed=1G-1T }\n  kvm { }\n}`,
    },
    {
      id: 'vds',
      label: 'VMware VDS',
      note: 'vSphere: switch, Configure, NetFlow; then enable monitoring on each port group. The same with PowerCLI:',
      text: `Get-VDSwitch "DSwitch" | Get-View | ForEach-Object {\n  $spec = New-Object VMware.Vim.VMwareDVSConfigSpec\n  $spec.configVersion = $_.Config.ConfigVersion\n  $spec.ipfixConfig = New-Object VMware.Vim.VMwareIpfixConfig\n  $spec.ipfixConfig.collectorIpAddress = "${server}"\n  $spec.ipfixConfig.collectorPort = ${ports.ipfix}\n  $spec.ipfixConfig.activeFlowTimeout = 60\n  $spec.ipfixConfig.idleFlowTimeout = 15\n  $spec.ipfixConfig.samplingRate = 0\n  $_.ReconfigureDvs($spec)\n}`,
    },
    {
      id: 'linux',
      label: 'Linux',
      note: 'Any Linux machine, with softflowd from the distribution: every packet of one interface, as IPFIX.',
      text: `apt install softflowd\nsoftflowd -i eth0 -v 10 -t maxlife=60 -n ${target(ports.ipfix)}`,
    },
    {
      id: 'cisco',
      label: 'Cisco',
      note: 'Flexible NetFlow (IOS XE): NetFlow v9 with the fields that answers are made of.',
      text: `flow exporter VNETSCOPE\n destination ${server}\n transport udp ${ports.netflow}\n export-protocol netflow-v9\n template data timeout 60\n!\nflow record VNETSCOPE\n match ipv4 protocol\n match ipv4 source address\n match ipv4 destination address\n match transport source-port\n match transport destination-port\n match interface input\n collect interface output\n collect counter bytes long\n collect counter packets long\n collect timestamp sys-uptime first\n collect timestamp sys-uptime last\n!\nflow monitor VNETSCOPE\n record VNETSCOPE\n exporter VNETSCOPE\n cache timeout active 60\n!\ninterface GigabitEthernet0/0/0\n ip flow monitor VNETSCOPE input`,
    },
    {
      id: 'juniper',
      label: 'Juniper',
      note: 'Junos: sFlow on EX and QFX switches, IPFIX (inline) on MX routers.',
      text: `# EX, QFX\nset protocols sflow collector ${server} udp-port ${ports.sflow}\nset protocols sflow sample-rate ingress 1000\nset protocols sflow polling-interval 20\nset protocols sflow interfaces ge-0/0/0.0\n\n# MX\nset services flow-monitoring version-ipfix template V4 ipv4-template\nset services flow-monitoring version-ipfix template V4 flow-active-timeout 60\nset forwarding-options sampling instance VNETSCOPE input rate 1000\nset forwarding-options sampling instance VNETSCOPE family inet output flow-server ${server} port ${ports.ipfix}\nset forwarding-options sampling instance VNETSCOPE family inet output flow-server ${server} version-ipfix template V4\nset forwarding-options sampling instance VNETSCOPE family inet output inline-jflow source-address 192.0.2.1\nset chassis fpc 0 sampling-instance VNETSCOPE\nset interfaces ge-0/0/0 unit 0 family inet sampling input`,
    },
  ]
}
