// A canvas that ECharts draws on, at the size of its box. ECharts itself comes when the first one is shown.
import { useEffect, useRef, useState } from 'react'
import type { EChartsCoreOption } from 'echarts/core'
import type { EChartsType } from './echarts.ts'

export interface CanvasProps {
  /** Called again with each new width: labels depend on it. */
  readonly option: (width: number) => EChartsCoreOption
  readonly height: number
  readonly label: string
  readonly onReady?: (chart: EChartsType) => (() => void) | undefined
}

export function Canvas({ option, height, label, onReady }: CanvasProps) {
  const box = useRef<HTMLDivElement>(null)
  const [chart, setChart] = useState<EChartsType>()
  const [width, setWidth] = useState(0)
  const [failed, setFailed] = useState(false)

  useEffect(() => {
    const element = box.current
    if (!element) return
    let made: EChartsType | undefined
    let gone = false
    import('./echarts.ts').then(
      ({ init }) => {
        if (gone) return
        made = init(element, null, { renderer: 'canvas' })
        setChart(made)
      },
      () => setFailed(true),
    )
    const watch = new ResizeObserver(() => {
      made?.resize()
      setWidth(element.clientWidth)
    })
    watch.observe(element)
    return () => {
      gone = true
      watch.disconnect()
      made?.dispose()
    }
  }, [])

  useEffect(() => {
    if (chart && width > 0) chart.setOption(option(width), { notMerge: true })
  }, [chart, option, width])

  useEffect(() => (chart ? onReady?.(chart) : undefined), [chart, onReady])

  return (
    <>
      <div className="chart-canvas" style={{ height }} ref={box} role="img" aria-label={label} />
      {failed ? <p className="state">The drawing code could not be loaded; the table has the same figures.</p> : null}
    </>
  )
}
