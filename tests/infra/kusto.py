"""Microsoft's own parser of the Kusto query language, in Node, which says what is wrong with a query."""

import json
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from devtools import stack_files

PACKAGE = "@kusto/language-service-next"
VERSION = "12.4.1"
FOLDER = stack_files.ROOT / "build" / "kusto"

_TABLES = {
    "ContainerAppConsoleLogs_CL": "TimeGenerated: datetime, ContainerAppName_s: string, ContainerGroupName_s: string, "
    "RevisionName_s: string, Log_s: string",
    "AzureMetrics": "TimeGenerated: datetime, Resource: string, ResourceId: string, MetricName: string, Total: real, "
    "Maximum: real, Minimum: real, Average: real, Count: real, TimeGrain: string",
}
"""Source: Microsoft's pages on log monitoring in Azure Container Apps and on the table AzureMetrics."""

_PROGRAM = """
require(process.argv[2] + '/bridge.js')
require(process.argv[2] + '/Kusto.Language.Bridge.js')
const { tables, queries } = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const K = Kusto.Language
const symbols = Object.entries(tables).map(([name, columns]) => K.Symbols.TableSymbol.From(`(${columns})`).WithName(name))
const globals = K.GlobalState.Default.WithDatabase(new K.Symbols.DatabaseSymbol.ctor('logs', symbols))
console.log(JSON.stringify(queries.map(query => {
  const found = K.KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics()
  const lines = []
  for (let i = 0; i < found.Count; i++) lines.push(found.getItem(i).Message)
  return lines
})))
"""


def problems(queries: Sequence[str]) -> list[list[str]]:
    """Gives what is wrong with each query, against the tables that there are."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not here: they run Microsoft's parser of queries")
    package = FOLDER / "node_modules" / PACKAGE
    if not package.is_dir():
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [
            npm,
            "install",
            "--prefix",
            str(FOLDER),
            "--no-package-lock",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ]
        done = subprocess.run([*command, f"{PACKAGE}@{VERSION}"], capture_output=True, text=True, timeout=240, check=False)
        if done.returncode != 0:
            pytest.skip(f"the parser could not be installed from the npm registry: {done.stderr.strip()[-300:]}")
    program = FOLDER / "check.cjs"
    program.write_text(_PROGRAM, encoding="utf-8")
    asked = json.dumps({"tables": _TABLES, "queries": list(queries)})
    command = [node, str(program), str(package)]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found
