"""What the documented MobileBERT pages show, as functions of the library that is imported.

Every function does what one code block of the pages of transformers 4.30 or 4.56.2 does, through
the same names and arguments, and returns what the block computes. `library` is `mobilebert` or
`transformers`, `name` the checkpoint.
"""

import torch

__all__ = ["ANY_CHECKPOINT", "HEADS", "NEW_HEADS"]

CAPITAL = "The capital of France is [MASK]."
DOG = "Hello, my dog is cute"


def encoder(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.MobileBertModel.from_pretrained(name)
    inputs = tokenizer(DOG, return_tensors="pt")
    outputs = model(**inputs)
    return {"ids": inputs["input_ids"], "states": outputs.last_hidden_state}


def encoder_by_auto_name(library, name):
    tokenizer = library.MobileBertTokenizer.from_pretrained(name)
    model = library.AutoModel.from_pretrained(name)
    outputs = model(**tokenizer(DOG, return_tensors="pt"))
    return {"states": outputs[0], "pooled": outputs.pooler_output}


def pretraining(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.MobileBertForPreTraining.from_pretrained(name)
    ids = tokenizer.encode(DOG, add_special_tokens=True)
    input_ids = torch.tensor(ids).unsqueeze(0)  # a batch of one
    outputs = model(input_ids)
    return {
        "ids": ids,
        "words": outputs.prediction_logits,
        "relationship": outputs.seq_relationship_logits,
    }


def masked_lm(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.MobileBertForMaskedLM.from_pretrained(name)
    inputs = tokenizer(CAPITAL, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    # Where the mask is, and what stands there.
    mask_token_index = (inputs.input_ids == tokenizer.mask_token_id)[0].nonzero(as_tuple=True)[0]
    predicted_token_id = logits[0, mask_token_index].argmax(axis=-1)
    word = tokenizer.decode(predicted_token_id)
    labels = tokenizer("The capital of France is Paris.", return_tensors="pt")["input_ids"]
    # Only masked positions count.
    labels = torch.where(inputs.input_ids == tokenizer.mask_token_id, labels, -100)
    outputs = model(**inputs, labels=labels)
    return {
        "index": mask_token_index,
        "logits": logits,
        "word": word,
        "labels": labels,
        "loss": round(outputs.loss.item(), 2),
    }


def masked_lm_by_auto_name(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.AutoModelForMaskedLM.from_pretrained(name, dtype=torch.float32)
    inputs = tokenizer(CAPITAL, return_tensors="pt").to("cpu")
    with torch.no_grad():
        outputs = model(**inputs)
        predictions = outputs.logits
    masked_index = torch.where(inputs["input_ids"] == tokenizer.mask_token_id)[1]
    predicted_token_id = predictions[0, masked_index].argmax(dim=-1)
    return {"predictions": predictions, "word": tokenizer.decode(predicted_token_id)}


def next_sentence(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.MobileBertForNextSentencePrediction.from_pretrained(name)
    prompt = "In Italy, pizza served in formal settings is presented unsliced."
    following = "The sky is blue due to the shorter wavelength of blue light."
    encoding = tokenizer(prompt, following, return_tensors="pt")
    outputs = model(**encoding, labels=torch.LongTensor([1]))
    return {"types": encoding["token_type_ids"], "loss": outputs.loss, "logits": outputs.logits}


def one_of_several_classes(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.MobileBertForSequenceClassification.from_pretrained(name)
    inputs = tokenizer(DOG, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    predicted_class_id = logits.argmax().item()
    label = model.config.id2label[predicted_class_id]
    # As many labels as the checkpoint has: its head is kept.
    num_labels = len(model.config.id2label)
    model = library.MobileBertForSequenceClassification.from_pretrained(name, num_labels=num_labels)
    loss = model(**inputs, labels=torch.tensor([1])).loss
    return {"logits": logits, "label": label, "loss": round(loss.item(), 2)}


def several_of_several_classes(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    kind = "multi_label_classification"
    model = library.MobileBertForSequenceClassification.from_pretrained(name, problem_type=kind)
    inputs = tokenizer(DOG, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    classes = torch.arange(0, logits.shape[-1])
    predicted_class_ids = classes[torch.sigmoid(logits).squeeze(dim=0) > 0.5]
    num_labels = len(model.config.id2label)
    model = library.MobileBertForSequenceClassification.from_pretrained(
        name, num_labels=num_labels, problem_type=kind
    )
    rows = torch.nn.functional.one_hot(predicted_class_ids[None, :].clone(), num_classes=num_labels)
    labels = torch.sum(rows, dim=1).to(torch.float)
    loss = model(**inputs, labels=labels).loss
    return {"logits": logits, "classes": predicted_class_ids, "labels": labels, "loss": loss}


def choices(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.MobileBertForMultipleChoice.from_pretrained(name)
    prompt = "In Italy, pizza served in formal settings is presented unsliced."
    choice0 = "It is eaten with a fork and a knife."
    choice1 = "It is eaten while held in the hand."
    labels = torch.tensor(0).unsqueeze(0)  # the first one, in a batch of one
    encoding = tokenizer([prompt, prompt], [choice0, choice1], return_tensors="pt", padding=True)
    outputs = model(**{k: v.unsqueeze(0) for k, v in encoding.items()}, labels=labels)
    return {"loss": outputs.loss, "logits": outputs.logits}


def token_classes(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.MobileBertForTokenClassification.from_pretrained(name)
    text = "HuggingFace is a company based in Paris and New York"
    inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    predicted = logits.argmax(-1)
    # Tokens are classified, not words: one word may have several classes.
    classes = [model.config.id2label[t.item()] for t in predicted[0]]
    loss = model(**inputs, labels=predicted).loss
    return {"logits": logits, "classes": classes, "loss": round(loss.item(), 2)}


def answer(library, name):
    tokenizer = library.AutoTokenizer.from_pretrained(name)
    model = library.MobileBertForQuestionAnswering.from_pretrained(name)
    question, text = "Who was Jim Henson?", "Jim Henson was a nice puppet"
    inputs = tokenizer(question, text, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    first, last = outputs.start_logits.argmax(), outputs.end_logits.argmax()
    tokens = inputs.input_ids[0, first : last + 1]
    span = tokenizer.decode(tokens, skip_special_tokens=True)
    target_start_index, target_end_index = torch.tensor([12]), torch.tensor([13])
    outputs = model(**inputs, start_positions=target_start_index, end_positions=target_end_index)
    return {
        "start": outputs.start_logits,
        "end": outputs.end_logits,
        "span": span,
        "loss": outputs.loss,
    }


# Blocks for the bundled checkpoint as it is.
ANY_CHECKPOINT = (
    encoder,
    encoder_by_auto_name,
    pretraining,
    masked_lm,
    masked_lm_by_auto_name,
    next_sentence,
)

# Block -> the task its checkpoint is made for, and the number of its labels.
HEADS = {
    one_of_several_classes: ("sequence_classification", 4),
    several_of_several_classes: ("sequence_classification", 4),
    choices: ("multiple_choice", 2),
    token_classes: ("token_classification", 9),
    answer: ("question_answering", 2),
}

# The newer page loads the pre-trained checkpoint into these: their heads are new.
NEW_HEADS = (
    "MobileBertForSequenceClassification",
    "MobileBertForMultipleChoice",
    "MobileBertForTokenClassification",
    "MobileBertForQuestionAnswering",
)
