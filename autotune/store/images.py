"""Images: pictures of trials in Optuna's artifact store, where the dashboard and the report find them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from autotune.errors import StoreError
from autotune.store.folders import Folders


def artifact_store(folders: Folders) -> FileSystemArtifactStore:
    """Return Optuna's artifact store, its folder made where it is missing.

    Raises:
        StoreError: The folder cannot be made.
    """
    try:
        folders.artifacts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "Check the rights on the folder around it."
        raise StoreError(
            f"The folder '{folders.artifacts}' cannot be made: {error.strerror}. {remedy}"
        ) from error
    return FileSystemArtifactStore(folders.artifacts)


def keep_pictures(folders: Folders, owner: Trial | Study, pictures: Iterable[Path]) -> dict[str, str]:
    """Copy pictures into the artifact store.

    Args:
        folders: Of the database.
        owner: The trial that made them, not yet told; or the study.
        pictures: Files; those that are missing or kept already are passed over.

    Returns:
        File name to artifact id, of all pictures that the owner has.
    """
    store = artifact_store(folders)
    kept = dict(_named(get_all_artifact_meta(owner)))
    for picture in pictures:
        if picture.name not in kept and picture.is_file():
            kept[picture.name] = upload_artifact(
                artifact_store=store, file_path=str(picture), study_or_trial=owner
            )
    return kept


def pictures(storage: BaseStorage, owner: FrozenTrial | Study) -> Mapping[str, str]:
    """Return file name to artifact id of the pictures that a trial or a study has."""
    return dict(_named(get_all_artifact_meta(owner, storage=storage)))


def picture_bytes(folders: Folders, artifact_id: str) -> bytes:
    """Return one picture.

    Raises:
        ArtifactNotFound: There is none of this id.
    """
    with artifact_store(folders).open_reader(artifact_id) as reader:
        return reader.read()


def _named(metas: Iterable[object]) -> Iterable[tuple[str, str]]:
    return ((getattr(meta, "filename", ""), getattr(meta, "artifact_id", "")) for meta in metas)
