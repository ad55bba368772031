// Who talks to whom, left to right, one colour a source.
import { useCallback, useMemo } from 'react'
import type { Metric, Row } from '../../../src/api/contract/query.ts'
import { rateText } from '../figures/units.ts'
import type { Key } from '../names/dimensions.ts'
import { useExporterNames } from '../names/machine-index.ts'
import { usePaint, useScheme } from '../parts/colours.tsx'
import { Canvas } from './canvas.tsx'
import type { EChartsType } from './echarts.ts'
import { CHART_FONT, INKS } from './palette.ts'
import { sankeyData } from './sankey-data.ts'

export interface SankeyChartProps {
  readonly columns: readonly string[]
  readonly rows: readonly Row[]
  readonly metric: Metric
  readonly seconds: number
  readonly height?: number
  readonly most?: number
  /** Called with what was clicked, a node's value or both ends of a band, and where. */
  readonly onPick?: (key: Key, at: { readonly x: number; readonly y: number }) => void
}

interface LinkEnds {
  readonly source?: string
  readonly target?: string
  readonly origin?: string
}

/** The nodes that a band tells of: where it comes from, and both of its ends. */
function pathOf({ source, target, origin }: LinkEnds): (string | undefined)[] {
  return origin === source ? [source, target] : [origin, source, target]
}

export function SankeyChart({ columns, rows, metric, seconds, height = 250, most = 40, onPick }: SankeyChartProps) {
  const scheme = useScheme()
  const exporters = useExporterNames()
  const data = useMemo(
    () => sankeyData(columns, rows, metric, most, exporters),
    [columns, rows, metric, most, exporters],
  )
  const first = useMemo(() => data.nodes.filter((node) => node.depth === 0), [data])
  const paint = usePaint(
    columns.slice(0, 1),
    useMemo(() => first.map((node) => node.key), [first]),
  )
  const last = columns.length - 1

  const option = useCallback(
    (width: number) => {
      const inks = INKS[scheme]
      const byName = new Map(data.nodes.map((node) => [node.name, node]))
      const colourByName = new Map(first.map((node) => [node.name, paint(node.key)]))
      const sources = new Map(first.map((node) => [node.text, paint(node.key)]))
      const rate = (value: number) => rateText(metric, (value * (metric === 'bytes' ? 8 : 1)) / seconds)
      const textWidth = Math.min(150, width * 0.24)
      return {
        animation: false,
        tooltip: {
          backgroundColor: inks.panel,
          borderColor: inks.line,
          confine: true,
          formatter: (item: { dataType?: string; name: string; value: number; data: LinkEnds }) => {
            const node = document.createElement('div')
            node.className = 'tip'
            const text = (name: string | undefined) => byName.get(name ?? '')?.text ?? ''
            node.textContent =
              item.dataType === 'edge'
                ? `${pathOf(item.data).map(text).join(' → ')}: ${rate(item.value)}`
                : `${text(item.name)}: ${rate(item.value)}`
            return node
          },
        },
        series: [
          {
            type: 'sankey',
            left: 4,
            right: textWidth,
            top: 10,
            bottom: 8,
            nodeWidth: 8,
            nodeGap: 9,
            draggable: false,
            layoutIterations: 24,
            emphasis: { focus: 'adjacency', lineStyle: { opacity: 0.55 } },
            lineStyle: { opacity: scheme === 'light' ? 0.28 : 0.34, curveness: 0.5 },
            label: {
              color: inks.ink,
              fontSize: 12,
              fontFamily: CHART_FONT,
              width: textWidth - 12,
              overflow: 'truncate',
              formatter: (item: { name: string }) => byName.get(item.name)?.text ?? '',
            },
            data: data.nodes.map((node) => ({
              name: node.name,
              depth: node.depth,
              label: { position: 'right' },
              itemStyle: {
                color: node.depth === 0 ? paint(node.key) : (sources.get(node.text) ?? inks.ink3),
                borderWidth: 0,
              },
            })),
            links: data.links.map((link) => ({
              ...link,
              lineStyle: { color: colourByName.get(link.origin) ?? inks.ink3 },
            })),
          },
        ],
      }
    },
    [data, first, paint, scheme, metric, seconds],
  )
  const ready = useCallback(
    (chart: EChartsType) => {
      chart.on('click', (event) => {
        const at = { x: event.event?.offsetX ?? 0, y: event.event?.offsetY ?? 0 }
        const named = (name: string | undefined) => data.nodes.find((candidate) => candidate.name === name)
        const nodes = event.dataType === 'node' ? [named(event.name)] : pathOf(event.data as LinkEnds).map(named)
        const key = Object.assign({}, ...nodes.map((node) => node?.key)) as Key
        if (Object.keys(key).length > 0) onPick?.(key, at)
      })
      return () => void chart.off('click')
    },
    [data, onPick],
  )
  return (
    <div className="chart" style={{ height }}>
      <Canvas
        option={option as never}
        height={height}
        onReady={ready}
        label={`Flows from ${columns[0] ?? ''} to ${columns[last] ?? ''}. The table has the figures.`}
      />
    </div>
  )
}
