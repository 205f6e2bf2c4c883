"""MLflow's tracking store: an SQLite database in this folder, or the server of MLFLOW_TRACKING_URI.

The database is created atomically and refers to artifacts by `mlflow-artifacts:/`, so that both can be moved with the
folder, whatever it is called. A server that is down, slow or failing raises UserError within seconds.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from ganflow.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE, ARTIFACTS = Path("mlflow.db"), Path("mlartifacts")
SCHEME = "mlflow-artifacts"
UPLOADING = ".artifact.uploading.*"  # MLflow's name of a file until it is whole
SETTINGS = {  # defaults of environment variables
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a retried create_run would create a second run
}


@dataclass(frozen=True)
class TrackingStore:
    """A local database, or a server by its address."""

    database: Path = DATABASE
    server: str | None = None

    @classmethod
    def from_environment(cls) -> "TrackingStore":
        """The server of MLFLOW_TRACKING_URI, else the database; raises UserError for another kind of URI."""
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if uri and not uri.startswith(("http://", "https://")):
            raise UserError(
                f"MLFLOW_TRACKING_URI = {uri!r}: runs are published to a server, http://... or https://..., or to "
                f"{DATABASE} if the variable is not set; change or unset it"
            )
        return cls(server=uri or None)

    def __str__(self) -> str:
        return self.server or str(self.database)

    @property
    def lock(self) -> Path:
        """Lock file of this folder's single writer."""
        return Path("build/mlflow-server.lock") if self.server else Path(f"{self.database}.lock")

    @contextmanager
    def client(self) -> Iterator["MlflowClient"]:
        """A client; errors of MLflow or the network inside the block become UserErrors."""
        for key, value in SETTINGS.items():
            os.environ.setdefault(key, value)
        from mlflow.exceptions import MlflowException
        from requests import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield self._connected()
        except (MlflowException, RequestException, SQLAlchemyError) as error:
            if not self.server and "mlflow db upgrade" in str(error):
                raise UserError(
                    f"{self}: of a newer MLflow, as this one upgrades older ones by itself; run "
                    f"`mv {self.database} {self.database}.newer`, and publish again"
                ) from None
            reason = shorten(str(error), 140, placeholder=" ...")
            cure = "start it, or unset MLFLOW_TRACKING_URI" if self.server else "if it is damaged, move it away"
            raise UserError(f"{self}: MLflow can't write there ({reason}); {cure}") from None

    def _connected(self) -> "MlflowClient":
        from mlflow import MlflowClient
        from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry

        _artifact_repository_registry.register(SCHEME, _artifacts)
        if self.server:
            return MlflowClient(self.server)
        if not self.database.exists():  # MLflow can't repair a partially created database
            partial = self.database.with_name(f".{self.database.name}.partial")
            partial.unlink(missing_ok=True)
            MlflowClient(_uri(partial)).search_experiments()
            partial.replace(self.database)
        return MlflowClient(_uri(self.database))

    def discard_uploads(self) -> None:
        """Deletes what killed publishers left of files that MLflow was copying; for the holder of `lock` alone."""
        for left in () if self.server else ARTIFACTS.rglob(UPLOADING):
            left.unlink(missing_ok=True)

    def experiment_id(self, client: "MlflowClient", name: str) -> str:
        """The id of the experiment, which is created or restored if necessary."""
        found = client.get_experiment_by_name(name)
        if found is None:
            return client.create_experiment(name, artifact_location=None if self.server else f"{SCHEME}:/{name}")
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return found.experiment_id


def _uri(database: Path) -> str:
    """The address of a database. MLflow knows no quotes in it, so that a path which would mean something else there
    stays relative to this folder."""
    absolute = str(database.absolute())
    return f"sqlite:///{database if set(absolute) & set('?%#') else absolute}"


def _artifacts(uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
    """Resolves `mlflow-artifacts:/...`: on the server, or in the folder that `make ui` serves."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    if tracking_uri and tracking_uri.startswith("http"):
        return MlflowArtifactsRepository(uri, tracking_uri, registry_uri)
    return LocalArtifactRepository(str(ARTIFACTS / uri.removeprefix(f"{SCHEME}:").lstrip("/")))
