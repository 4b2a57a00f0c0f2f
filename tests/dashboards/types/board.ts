// What a dashboard of ours may be: Grafana's own types, narrowed to the panels, data sources and overrides in use.
// A new kind of panel is one line in AnyPanel; a new override one in Property.
import type * as grafana from '@grafana/schema';
import type * as barchart from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// In JSON an enum is its value: "list" for LegendDisplayMode.List, 1 for DashboardCursorSync.Crosshair.
type Plain<T> = T extends string
  ? `${T}`
  : T extends number
    ? `${T}` extends `${infer N extends number}`
      ? N
      : never
    : T extends (infer E)[]
      ? Plain<E>[]
      : T extends object
        ? { [K in keyof T]: Plain<T[K]> }
        : T;

type Database = { type: 'grafana-postgresql-datasource'; uid: 'anju-db' };
type Prometheus = { type: 'prometheus'; uid: 'anju-prometheus' };
type Builtin = { type: 'grafana'; uid: '-- Grafana --' };

// The package has no types of these two data sources' queries: these are the fields that they read.
interface Sql extends grafana.DataQuery {
  datasource: Database;
  editorMode: 'code';
  format: 'table' | 'time_series';
  rawQuery: true;
  rawSql: string;
}
interface Promql extends grafana.DataQuery {
  datasource: Prometheus;
  editorMode: 'code';
  expr: string;
  format: 'table' | 'time_series';
  instant: boolean;
  legendFormat: string;
  range: boolean;
}

interface Link {
  title: string;
  url: `/d/anju-${string}`;
  targetBlank: boolean;
}

type Property =
  | { id: 'color'; value: Plain<grafana.FieldColor> }
  | { id: 'custom.axisPlacement'; value: `${grafana.AxisPlacement}` }
  | { id: 'custom.cellOptions'; value: Plain<grafana.TableCellOptions> }
  | { id: 'custom.drawStyle'; value: `${grafana.GraphDrawStyle}` }
  | { id: 'custom.minWidth' | 'custom.width' | 'decimals'; value: number }
  | { id: 'displayName' | 'noValue' | 'unit'; value: string }
  | { id: 'links'; value: Link[] }
  | { id: 'mappings'; value: Plain<grafana.ValueMapping>[] };

interface Fields<Custom> {
  defaults: Plain<Omit<grafana.FieldConfig, 'custom' | 'links'>> & { custom?: Plain<Custom>; links?: Link[] };
  overrides: { matcher: { id: 'byName' | 'byRegexp'; options: string }; properties: Property[] }[];
}

type Shared = Plain<
  Omit<grafana.Panel, 'datasource' | 'description' | 'fieldConfig' | 'gridPos' | 'id' | 'options' | 'targets' | 'title' | 'type'>
> & {
  // What Grafana lets out, we do not: a panel without a title or a description helps nobody at three in the morning.
  description: string;
  gridPos: Plain<grafana.GridPos>;
  id: number;
  title: `${string} · ${string}`;
};
type Of<Type extends string, Options, Custom = Record<string, never>> = Shared & {
  type: Type;
  fieldConfig: Fields<Custom>;
  options: Plain<Options>;
} & ({ datasource: Database; targets: Sql[] } | { datasource: Prometheus; targets: Promql[] });

type Row = Plain<Omit<grafana.RowPanel, 'panels'>> & { panels: never[] };
type AnyPanel =
  | Row
  | Of<'barchart', barchart.Options, barchart.FieldConfig>
  | Of<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | Of<'stat', stat.Options>
  | Of<'table', table.Options, table.FieldConfig>
  | Of<'timeseries', timeseries.Options, timeseries.FieldConfig>;

type Annotation = Plain<Omit<grafana.AnnotationQuery, 'datasource' | 'target'>> &
  ({ datasource: Builtin; builtIn: 1 } | { datasource: Database; target: Sql });

type Variable = Plain<Omit<grafana.VariableModel, 'datasource' | 'query' | 'type'>> & {
  datasource: Database;
  query: string;
  type: 'query';
};

export type Board = Plain<Omit<grafana.Dashboard, 'annotations' | 'panels' | 'templating' | 'uid'>> & {
  annotations: { list: Annotation[] };
  description: string;
  id: null;
  panels: AnyPanel[];
  refresh: string;
  tags: ['anju'];
  templating: { list: Variable[] };
  title: `${string} · ${string}`;
  uid: `anju-${string}`;
};
