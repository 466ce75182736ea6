"""Types of the lazy names of `mobilebert`; a test holds this file against the table there."""

from mobilebert.auto import (
    AutoConfig as AutoConfig,
    AutoModel as AutoModel,
    AutoModelForMaskedLM as AutoModelForMaskedLM,
    AutoModelForMultipleChoice as AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction as AutoModelForNextSentencePrediction,
    AutoModelForPreTraining as AutoModelForPreTraining,
    AutoModelForQuestionAnswering as AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification as AutoModelForSequenceClassification,
    AutoModelForTokenClassification as AutoModelForTokenClassification,
    AutoModelWithLMHead as AutoModelWithLMHead,
    AutoTokenizer as AutoTokenizer,
    TFAutoModel as TFAutoModel,
    TFAutoModelForMaskedLM as TFAutoModelForMaskedLM,
    TFAutoModelForMultipleChoice as TFAutoModelForMultipleChoice,
    TFAutoModelForNextSentencePrediction as TFAutoModelForNextSentencePrediction,
    TFAutoModelForPreTraining as TFAutoModelForPreTraining,
    TFAutoModelForQuestionAnswering as TFAutoModelForQuestionAnswering,
    TFAutoModelForSequenceClassification as TFAutoModelForSequenceClassification,
    TFAutoModelForTokenClassification as TFAutoModelForTokenClassification,
    TFAutoModelWithLMHead as TFAutoModelWithLMHead,
)
from mobilebert.backend import (
    Backend as Backend,
    TokenBatch as TokenBatch,
)
from mobilebert.checkpoint import (
    load_checkpoint as load_checkpoint,
    save_checkpoint as save_checkpoint,
)
from mobilebert.config import (
    MobileBertConfig as MobileBertConfig,
)
from mobilebert.corpora.preparation_result import PreparationResult as PreparationResult
from mobilebert.corpora.prepared import (
    PreparedCorpus as PreparedCorpus,
    PreparedSequence as PreparedSequence,
)
from mobilebert.corpora.preparing import prepare_pretraining as prepare_pretraining
from mobilebert.corpora.vocabulary_digest import vocabulary_digest as vocabulary_digest
from mobilebert.corpora.vocabulary_training import (
    TrainedVocabulary as TrainedVocabulary,
    train_tokenizer as train_tokenizer,
)
from mobilebert.distillation.distill import distill as distill
from mobilebert.engine import Engine as Engine
from mobilebert.errors import (
    ArgumentError as ArgumentError,
    CheckpointError as CheckpointError,
    ConfigError as ConfigError,
    InputError as InputError,
    MissingExtraError as MissingExtraError,
    MobileBertError as MobileBertError,
    TrainingError as TrainingError,
    WeightsError as WeightsError,
)
from mobilebert.keras import (
    TFBaseModelOutput as TFBaseModelOutput,
    TFBaseModelOutputWithPooling as TFBaseModelOutputWithPooling,
    TFMaskedLMOutput as TFMaskedLMOutput,
    TFMobileBertForMaskedLM as TFMobileBertForMaskedLM,
    TFMobileBertForMultipleChoice as TFMobileBertForMultipleChoice,
    TFMobileBertForNextSentencePrediction as TFMobileBertForNextSentencePrediction,
    TFMobileBertForPreTraining as TFMobileBertForPreTraining,
    TFMobileBertForPreTrainingOutput as TFMobileBertForPreTrainingOutput,
    TFMobileBertForQuestionAnswering as TFMobileBertForQuestionAnswering,
    TFMobileBertForSequenceClassification as TFMobileBertForSequenceClassification,
    TFMobileBertForTokenClassification as TFMobileBertForTokenClassification,
    TFMobileBertMainLayer as TFMobileBertMainLayer,
    TFMobileBertModel as TFMobileBertModel,
    TFMobileBertPreTrainedModel as TFMobileBertPreTrainedModel,
    TFMultipleChoiceModelOutput as TFMultipleChoiceModelOutput,
    TFNextSentencePredictorOutput as TFNextSentencePredictorOutput,
    TFQuestionAnsweringModelOutput as TFQuestionAnsweringModelOutput,
    TFSequenceClassifierOutput as TFSequenceClassifierOutput,
    TFTokenClassifierOutput as TFTokenClassifierOutput,
)
from mobilebert.logging import (
    get_verbosity as get_verbosity,
    set_verbosity as set_verbosity,
)
from mobilebert.pipelines import (
    Pipeline as Pipeline,
    pipeline as pipeline,
)
from mobilebert.pretraining.judging import evaluate_pretraining as evaluate_pretraining
from mobilebert.pretraining.pretrain import pretrain as pretrain
from mobilebert.pretraining.result import PretrainResult as PretrainResult
from mobilebert.tasks import (
    TASKS as TASKS,
    TaskSpec as TaskSpec,
    resolve_task as resolve_task,
)
from mobilebert.text import (
    AddedToken as AddedToken,
    BatchEncoding as BatchEncoding,
    MobileBertTokenizer as MobileBertTokenizer,
    MobileBertTokenizerFast as MobileBertTokenizerFast,
)
from mobilebert.torch import (
    BaseModelOutput as BaseModelOutput,
    BaseModelOutputWithPooling as BaseModelOutputWithPooling,
    MaskedLMOutput as MaskedLMOutput,
    MobileBertForMaskedLM as MobileBertForMaskedLM,
    MobileBertForMultipleChoice as MobileBertForMultipleChoice,
    MobileBertForNextSentencePrediction as MobileBertForNextSentencePrediction,
    MobileBertForPreTraining as MobileBertForPreTraining,
    MobileBertForPreTrainingOutput as MobileBertForPreTrainingOutput,
    MobileBertForQuestionAnswering as MobileBertForQuestionAnswering,
    MobileBertForSequenceClassification as MobileBertForSequenceClassification,
    MobileBertForTokenClassification as MobileBertForTokenClassification,
    MobileBertLayer as MobileBertLayer,
    MobileBertModel as MobileBertModel,
    MobileBertPreTrainedModel as MobileBertPreTrainedModel,
    MultipleChoiceModelOutput as MultipleChoiceModelOutput,
    NextSentencePredictorOutput as NextSentencePredictorOutput,
    QuestionAnsweringModelOutput as QuestionAnsweringModelOutput,
    SequenceClassifierOutput as SequenceClassifierOutput,
    TokenClassifierOutput as TokenClassifierOutput,
)
from mobilebert.training.comparing import compare as compare
from mobilebert.training.finetune import finetune as finetune
from mobilebert.training.judging import evaluate as evaluate
from mobilebert.training.result import FinetuneResult as FinetuneResult
from mobilebert.weights import (
    WeightSpec as WeightSpec,
    parameter_count as parameter_count,
    weight_specs as weight_specs,
)

__version__: str
